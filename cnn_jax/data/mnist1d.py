"""MNIST-1D: 4,000 + 1,000 sequences of 40 values, ten classes, made by its authors' generator.

Its authors publish a pickle, which is never loaded here, and the generator that made it, which
this runs with its defaults (seed 42) in a process of its own. The generator draws from NumPy's
legacy random stream, which NumPy keeps as it is for good; what is left to differ between machines
is the last bit of a float, and the quantisation removes it. The files that result are verified by
their SHA-256 like those of any other set.
"""

import sys
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from cnn_jax.data.dataset import Split
from cnn_jax.data.fetch import run_command
from cnn_jax.data.idx import idx_header, parse_idx
from cnn_jax.data.published import Contents, Published
from cnn_jax.data.sources import from_pypi

LEVELS = 23  # grey levels in one standard deviation
ZERO = 128  # the level of 0
_SECONDS = 300.0
_SPLITS = {'train': ('x', 'y'), 'test': ('x_test', 'y_test')}

# The generator imports two packages that it does not need to generate. In their place stand empty
# modules, so that they need not be installed and nothing can be fetched.
_GENERATE = """
import sys, types
for name in ('requests', 'matplotlib', 'matplotlib.pyplot'):
    sys.modules[name] = types.ModuleType(name)
sys.path.insert(0, sys.argv[1])
import numpy
from mnist1d.data import make_dataset
made = make_dataset()
for name in ('x', 'y', 'x_test', 'y_test'):
    numpy.save(f'{sys.argv[2]}/{name}.npy', made[name], allow_pickle=False)
"""


def quantise(values: Float[np.ndarray, '...']) -> UInt8[np.ndarray, '...']:
    """Standardised values as levels of 0 to 255: 0 is 128, and a standard deviation 23 levels.

    Values from -5.58 to 5.53 are told apart, which is all of MNIST-1D; the error is at most 0.022
    standard deviations; the noise that the generator adds to every value has 0.13.

    >>> quantise(np.array([-9.0, -1.0, 0.0, 0.02, 0.03, 9.0])).tolist()
    [0, 105, 128, 128, 129, 255]
    """
    return np.floor(np.clip(LEVELS * values + (ZERO + 0.5), 0, 255)).astype(np.uint8)


def _file(split: str, what: str) -> str:
    return f'mnist1d-{split}-{what}'


def _make(wheel: Path, target: Path) -> None:
    """Runs the generator of the unpacked wheel and writes the IDX files."""
    command = [sys.executable, '-I', '-c', _GENERATE, str(wheel), str(wheel)]
    run_command(command, folder=target, seconds=_SECONDS, environment={})
    for split, names in _SPLITS.items():
        values, labels = (np.load(wheel / f'{name}.npy', allow_pickle=False) for name in names)
        arrays = {'sequences': quantise(values), 'labels': labels.astype(np.uint8)}
        for what, array in arrays.items():
            (target / _file(split, what)).write_bytes(idx_header(array) + array.tobytes())


def _parse(contents: Contents) -> tuple[Split, Split]:
    """Sequences are images of height 1."""

    def split(name: str) -> Split:
        sequences = parse_idx(contents[_file(name, 'sequences')])
        labels = parse_idx(contents[_file(name, 'labels')])
        return Split(sequences[:, None, :, None], labels.astype(np.int32))

    return split('train'), split('test')


MNIST1D = Published(
    name='mnist1d',
    files=dict(
        zip(
            (_file(split, what) for split in _SPLITS for what in ('sequences', 'labels')),
            (
                '0f46b341480196fccaab1a1f96d18977ac767f62e16d1d7612eee9bbaa9fb92b',
                '04df6139c6bdf779fdb90dc98075023b5c2fa91781847bee53f3a8c1211c64b2',
                'd21f20cb19a7b224b53db9bb941f39164ba34d5174ffb8952b60239f42666db4',
                'd44d4c5ce982a3b9aadd2f4fb62bc464e49fd92490d3a57d20ac76b34fc3a4a5',
            ),
            strict=True,
        )
    ),
    parse=_parse,
    class_names=tuple('0123456789'),
    folder='mnist1d',
    sources=(
        from_pypi(
            'mnist1d',
            '0.0.2.post1',
            'e780fadc12ab6e45994dcb02bbe728b347243e0a5d13790f2a86992500eceb86',
            _make,
        ),
    ),
    space=20_000_000,
)
"""Greydanus and Kobak 2024, "Scaling down deep learning with MNIST-1D" (arXiv:2011.14439)."""
