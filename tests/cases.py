"""Generated inputs on which every op is compared with its oracle.

The environment variable CNN_JAX_CASES says how many cases are drawn for each family of ops: few in
`make test`, 200 in `make oracles`, 2,000 in its long form. The tests of a family share them.
"""

import functools
import os
import re
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_jax.ops.windows import FILLS

CASES = int(os.environ.get('CNN_JAX_CASES', '30'))
FAMILIES = {  # files of each family, whose generated tests share its cases
    'plain': ('test_pooling', 'test_norms', 'test_adaptive'),
    'blurred': ('test_blur', 'test_adaptive_blur'),
    'weighted': ('test_weighted',),
    'combined': ('test_combined',),
    'polyphase': ('test_polyphase', 'test_learned_polyphase', 'test_tips'),
    'frequency': ('test_frequency',),
    'drawn': ('test_drawn',),
    'torch': ('test_torch',),
    'kornia and antialiased-cnns': ('test_blur_pools', 'test_edge_aware'),
}


@functools.cache
def generated_tests(files: tuple[str, ...]) -> int:
    """How many generated tests these files hold together."""
    rooms = [Path(__file__).parent / room for room in ('ops', 'peers')]
    paths = [path for name in files for room in rooms for path in room.glob(f'{name}.py')]
    assert len(paths) == len(files), files
    return sum(len(re.findall(r'^@generated', p.read_text(), re.M)) for p in paths)


def generated(*strategies):
    """Runs a test on its share of the cases of its family."""

    def decorate(test):
        file = test.__module__.rpartition('.')[2]
        (family,) = (files for files in FAMILIES.values() if file in files)
        share = -(-CASES // generated_tests(family))
        drawn = settings(max_examples=share, deadline=None)(given(*strategies)(test))
        return pytest.mark.generated(drawn)

    return decorate


def compiled(op, x, **options):
    """`op` under jit: one compilation a case instead of one a primitive."""
    return jax.jit(lambda x: op(x, **options))(x)


def pulled_back(op, *arguments):
    """op(*arguments), and the cotangents of the arguments where that of the result is itself."""
    y, pullback = jax.vjp(op, *arguments)
    return y, *pullback(y)


def draw_values(draw, shape) -> np.ndarray:
    """float32 values in [-1, 1]; every third case has few levels, so many ties and zeros."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([2, 1000, 100000]))
    return (rng.integers(-levels, levels, shape) / levels).astype(np.float32)


class WindowCase(NamedTuple):
    """An input and the options that windowed ops share."""

    x: np.ndarray
    options: dict  # window, stride, padding, fill, ceil_mode: as keyword arguments of the op


@st.composite
def window_cases(draw, max_rank=3, max_window=7, fills=(None, *FILLS)):
    """Windows 1 to 7, strides 1 to 4, any padding, fill and rounding that fit; sizes from 1."""
    rank = draw(st.integers(1, max_rank))
    limit = {1: 17, 2: 11, 3: 5}[rank]
    window = tuple(draw(st.integers(1, min(max_window, limit))) for _ in range(rank))
    stride = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    fill = draw(st.sampled_from(fills))
    padding = draw(st.sampled_from(['valid', 'same', 'pairs']))
    if padding == 'pairs':
        padding = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in window)
    least = []
    for axis, k in enumerate(window):
        pair = padding[axis] if not isinstance(padding, str) else (0, 0)
        pad = k - 1 if padding == 'same' else sum(pair)
        least.append(k if fill == 'circular' else max(1, k - pad))
    size = [draw(st.integers(n, max(n, limit))) for n in least]
    x = draw_values(draw, (draw(st.integers(1, 2)), *size, draw(st.integers(1, 3))))
    ceil_mode = draw(st.booleans())
    return WindowCase(
        x,
        {
            'window': window,
            'stride': stride,
            'padding': padding,
            'fill': fill,
            'ceil_mode': ceil_mode,
        },
    )


@st.composite
def maps(draw, *, rank=2, least=1, most=12, channels=3, even=False):
    """A (batch, *size, channels) array of float32, square or not, odd or even sizes."""
    step = 2 if even else 1
    size = [draw(st.integers(-(-least // step), most // step)) * step for _ in range(rank)]
    return draw_values(draw, (draw(st.integers(1, 2)), *size, draw(st.integers(1, channels))))
