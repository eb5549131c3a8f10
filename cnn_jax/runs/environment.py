"""The environment of a run: command, date, packages, revision, hardware and flags."""

import importlib.metadata
import os
import platform
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import jax

from cnn_jax.runs.code import code_fingerprint
from cnn_jax.runs.folder import NO_LOCK
from cnn_jax.runs.process import usable_cores
from cnn_jax.version import package_version

_PACKAGES = [
    'jax',
    'jaxlib',
    'flax',
    'optax',
    'orbax-checkpoint',
    'numpy',
    'scipy',
    'tensorflow-datasets',
    'array_record',
]
_FLAGS = ('XLA_FLAGS', 'LD_PRELOAD', 'GLIBC_TUNABLES', 'OMP_NUM_THREADS', NO_LOCK)
_JAX_SETTINGS = (
    'jax_enable_x64',
    'jax_default_matmul_precision',
    'jax_default_prng_impl',
    'jax_threefry_partitionable',
)


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ['git', *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            encoding='utf-8',
            errors='replace',
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu_name() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.machine()


def _command() -> str:
    """The command line, as one would type it; in a worker process, that of its parent."""
    program = Path(sys.argv[0])
    known = program.parent.name == 'experiments'
    start = ['python', '-m', f'experiments.{program.stem}'] if known else [program.name]
    return shlex.join([*start, *sys.argv[1:]])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec='seconds')


def describe_environment() -> dict:
    """Packages, Python, code, git revision, hardware and flags of this process, as JSON values.

    >>> sorted(describe_environment())
    ['code', 'command', 'date', 'flags', 'git', 'hardware', 'packages', 'python']
    """
    root = _git('rev-parse', '--show-toplevel')
    ours = root is not None and Path(root) == Path(__file__).resolve().parents[2]
    changed = _git('status', '--porcelain', '--untracked-files=no')
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    settings = {name: str(jax.config.values[name]) for name in _JAX_SETTINGS}
    variables = {k: v for k, v in os.environ.items() if k in _FLAGS or k.startswith('JAX_')}
    if 'LD_PRELOAD' in variables:  # file names only, without their folders on this machine
        preloaded = re.split('[ :]+', variables['LD_PRELOAD'])
        variables['LD_PRELOAD'] = ' '.join(Path(path).name for path in preloaded)
    return {
        'packages': {
            'cnn_jax': package_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        'python': platform.python_version(),
        'code': code_fingerprint(),
        'command': _command(),
        'date': _now(),
        'git': {
            'revision': _git('rev-parse', 'HEAD') if ours else None,
            'dirty': bool(changed) if ours else None,
        },
        'hardware': {
            'cpu': _cpu_name(),
            'cores': os.cpu_count(),
            'cores_used': len(usable_cores()),
            'memory_gib': round(memory, 1),
            'devices': [str(device) for device in jax.devices()],
        },
        'flags': {**variables, **settings},
    }
