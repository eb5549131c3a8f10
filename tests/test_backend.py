"""Known results on this device: they are right, and wrong ones are reported."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import cnn_jax
from cnn_jax import backend, ops
from cnn_jax.backend_answers import ANSWERS
from cnn_jax.errors import BadInput, WrongBackend
from cnn_jax.xla_flags import FLAG, NAME
from tests.oracles import backend as oracle

ROOT = Path(__file__).parents[1]
PATTERN = """
import sys
import jax, jax.numpy as jnp, numpy as np
for shape in ((32, 16, 16), (128, 64, 64)):
    x = np.cos(np.arange(np.prod(shape))).reshape(shape).astype(np.float32)
    right = 1.7 * x.astype(float).sum(-1) ** 2
    product = lambda x: jnp.sum((x @ jnp.full_like(x, 1.7)) * x, -1)
    product_by_einsum = lambda x: jnp.einsum(
        'bij,bij->bi', jnp.einsum('bik,bkj->bij', x, jnp.full_like(x, 1.7)), x
    )
    for function in (product, product_by_einsum):
        print(np.abs(np.asarray(jax.jit(function)(x), float) - right).max() / right.max())
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    """A new Python that runs `code`."""
    return subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize('flags', ['', FLAG, f'--{NAME}=-reduce'])
def test_the_fault_of_the_compiler_is_gone_with_the_flag(flags):
    """Fails where a new jaxlib has mended it: then cnn_jax/xla_flags.py may go."""
    done = run(PATTERN, XLA_FLAGS=flags, JAX_PLATFORMS='cpu')
    errors = [float(line) for line in done.stdout.split()]
    assert len(errors) == 4, done.stderr
    if flags:
        assert max(errors) < 2e-6
    else:
        assert min(errors) > 0.5


def test_what_was_compiled_without_the_flag_is_not_taken_from_the_cache(tmp_path):
    settings = {
        'JAX_COMPILATION_CACHE_DIR': str(tmp_path),
        'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
        'JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES': '-1',
    }
    outcomes = []
    for flags in ('', FLAG, ''):
        done = run(PATTERN, XLA_FLAGS=flags, JAX_PLATFORMS='cpu', **settings)
        outcomes.append(max(map(float, done.stdout.split())) > 0.5)
    assert outcomes == [True, False, True] and list(tmp_path.iterdir())


@pytest.mark.parametrize('name', [*backend.PROGRAMS, *backend.PARTS])
def test_the_stored_answers_are_those_of_the_loops(name):
    right = oracle.right()[name]
    assert len(ANSWERS[name]) == len(right)
    for stored, array in zip(ANSWERS[name], right, strict=True):
        np.testing.assert_allclose(stored, oracle.digest(array), rtol=1e-8)


@pytest.mark.parametrize('double', [False, True])
@pytest.mark.parametrize('name', [*backend.PROGRAMS, *backend.PARTS])
def test_right_here(name, double):
    jax.config.update('jax_enable_x64', double)
    try:
        assert backend.error_of(name) < 1e-6
    finally:
        jax.config.update('jax_enable_x64', False)


def test_check_backend_names_the_programs_and_the_flag():
    code = 'import cnn_jax; cnn_jax.check_backend()'
    done = run(code, XLA_FLAGS='', JAX_PLATFORMS='cpu')
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith('cnn_jax.errors.WrongBackend: JAX computes wrong numbers here (cpu')
    assert 'product and sum, small' in said and f'Set XLA_FLAGS={FLAG}' in said
    assert run(code, XLA_FLAGS=FLAG, JAX_PLATFORMS='cpu').returncode == 0


@pytest.fixture
def wrong_norm(monkeypatch):
    """Batch norm with an epsilon of its own."""
    right = ops.batch_norm
    monkeypatch.setattr(ops, 'batch_norm', lambda *inputs: right(*inputs, epsilon=1e-2))
    jax.clear_caches()
    yield
    monkeypatch.undo()
    jax.clear_caches()


def test_a_wrong_network_is_told_by_its_parts(wrong_norm):
    checks = {check.name: check for check in cnn_jax.check_backend(raise_if_wrong=False)}
    assert [name for name, check in checks.items() if not check.ok] == [
        'a network',
        'batch normalisation',
    ]
    assert checks['convolution'].message == 'right'
    with pytest.raises(WrongBackend, match='batch normalisation: wrong, by .* Trust no result'):
        cnn_jax.check_backend()


def test_one_wrong_element_of_many_is_seen():
    name = 'dense layer'
    program, inputs = backend.PARTS[name]
    outputs = [np.array(a) for a in jax.jit(program)(*inputs())]
    outputs[1][3, 7] *= 1.05
    changed = [backend._error(a, right) for a, right in zip(outputs, ANSWERS[name], strict=True)]
    assert max(changed) > backend.TOLERANCE
    outputs[1][3, 7] = np.nan
    assert backend._error(outputs[1], ANSWERS[name][1]) == float('inf')


def test_numbers_are_exact_in_float32():
    assert backend.numbers((4, 5), 37).tolist() == oracle.numbers((4, 5), 37).tolist()
    assert backend.numbers((4, 5), 37).dtype == np.float32


@pytest.mark.parametrize('platform', ['cuda', 'nonsense', 'cpu,nonsense'])
@pytest.mark.parametrize(
    'body', ['import cnn_jax; cnn_jax.check_backend()', 'import jax; jax.numpy.ones(2)']
)
def test_a_missing_device_is_one_line(platform, body):
    code = f'from cnn_jax.exits import exit_codes\nwith exit_codes():\n    {body}'
    done = run(code, JAX_PLATFORMS=platform)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert f'JAX finds no device (JAX_PLATFORMS={platform})' in done.stderr


def test_a_missing_device_is_bad_input(monkeypatch):
    monkeypatch.setenv('JAX_PLATFORMS', 'tpu')

    def devices():
        raise RuntimeError("Unable to initialize backend 'tpu': none (set JAX_PLATFORMS='' to go)")

    monkeypatch.setattr(jax, 'devices', devices)
    with pytest.raises(BadInput, match=r"initialize backend 'tpu': none\. Choose another"):
        cnn_jax.check_backend()


def test_other_errors_of_jax_stay_what_they_are(monkeypatch):
    def devices():
        raise RuntimeError('out of memory')

    monkeypatch.setattr(jax, 'devices', devices)
    with pytest.raises(RuntimeError, match='^out of memory'):
        cnn_jax.check_backend()


def test_a_failed_assertion_is_no_missing_device():
    code = 'from cnn_jax.exits import exit_codes\nwith exit_codes():\n    assert []'
    done = run(code, JAX_PLATFORMS='cpu')
    assert done.returncode == 1 and 'AssertionError' in done.stderr


def test_importing_the_package_is_light_and_sets_nothing():
    code = (
        'import os, sys; before = dict(os.environ)\n'
        'import cnn_jax, cnn_jax.xla_flags, cnn_jax.exits\n'
        'assert not {"jax", "numpy"} & set(sys.modules)\n'
        'import cnn_jax.backend, jax\n'
        'assert before == dict(os.environ)\n'
    )
    done = run(code, XLA_FLAGS='')
    assert done.returncode == 0, done.stderr
