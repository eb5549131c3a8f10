"""`Strategy.reach` against what the strategies actually read, one element at a time.

Two patches lie side by side on zeros, far apart; one of them has an element changed. Which of the
two that is cannot be told from anything that is one number for the whole map, so what differs
between (changed, plain) and (plain, changed) is what the outputs read at that place.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax import layers, strategies
from cnn_jax.strategies import MAX_POOL, STRIDED_CONV, Site, Strategy

PATCH, GAP, CHANNELS = 18, 12, 4  # multiples of the strides, so that both patches lie alike
SIZES = (2 * GAP + PATCH + 1, 3 * GAP + 2 * PATCH)  # the height is odd, the width even
RESNET = Site('max_pool', window=3, padding=((1, 1), (1, 1)))
SEEDS = (6, 9)
ELSEWHERE = ('max', 'max_blur', 'aps', 'tips')
OTHERS = (
    strategies.Max(3, padding=((2, 0), (0, 1))),
    strategies.Max(5, stride=3, padding='same'),
    strategies.AdaptiveAvg(3),
    strategies.DetailPreserving('full'),
    strategies.Blur(filter_size=4),
    strategies.MaxBlur(filter_size=5, window=3),
    strategies.EdgeAware(edge_dilation=5),
    strategies.EdgeAware(filter_size=7, edge_dilation=1, window=1),
    strategies.APS(window=3, filter_size=3, select_on='blurred'),
    strategies.LPS(stride=3, filter_size=2, mode='convex'),
    strategies.TIPS(window=3, stride=3),
    strategies.SpaceToDepth(3),
)
CASES = [
    *((strategies.strategy_named(name), MAX_POOL) for name in strategies.strategy_names()),
    *((strategies.strategy_named(name), RESNET) for name in ELSEWHERE),
    *((strategies.strategy_named(name), STRIDED_CONV) for name in ELSEWHERE),
    *((strategy, MAX_POOL) for strategy in OTHERS),
]


def trials() -> list[tuple[np.ndarray, float]]:
    """Patches and what is put into them.

    A flat patch has no edges but the one that is put in; in the others bright elements, not what is
    put in, decide which component is chosen.
    """
    shape = (PATCH, PATCH, CHANNELS)
    flat = np.random.default_rng(0).uniform(0.95, 1.05, shape)
    bright = [np.random.default_rng(seed).choice([1, 5.0], shape, p=[0.8, 0.2]) for seed in SEEDS]
    return [(flat, 3.0), (flat, 0.2), *((patch * flat, 2.0) for patch in bright)]


def measured(strategy: Strategy, site: Site) -> list[np.ndarray]:
    """For each axis (outputs, elements): whether the output was seen to read the element."""
    if isinstance(strategy, strategies.DDAC):
        strategy = replace(strategy, groups=2)
    if isinstance(strategy, strategies.LPS):
        strategy = replace(strategy, hidden=2, mode='convex')  # all components, not one
    layer = layers.Downsample(strategy)
    lines = [np.s_[row, :] for row in range(PATCH)] + [np.s_[:, column] for column in range(PATCH)]
    images = []
    for plain, value in trials():
        for line in lines:
            changed = plain.copy()
            changed[line] = value
            for left, right in ((changed, plain), (plain, changed)):
                image = np.zeros((*SIZES, CHANNELS))
                rows = image[GAP : GAP + PATCH]
                rows[:, GAP : GAP + PATCH], rows[:, -GAP - PATCH : -GAP] = left, right
                images.append(image)

    @jax.jit
    def outputs(x):
        key = jax.random.key(0)
        variables = layer.init(key, x[:1], site=site, train=False)
        params = variables.get('params', {})
        if isinstance(strategy, strategies.TIPS):  # whose shares of the components go by place
            params = jax.tree.map(jnp.zeros_like, params)
        if isinstance(strategy, strategies.LIP):  # which starts as the mean
            params = jax.tree.map(lambda p: p + 0.3 * jax.random.normal(key, p.shape), params)
        return layer.apply({**variables, 'params': params}, x, site=site, train=False)

    y = np.asarray(outputs(jnp.asarray(np.stack(images), jnp.float32)), np.float64)
    y = y.reshape(-1, len(lines), 2, *y.shape[1:])
    differs = np.abs(y[:, :, 0] - y[:, :, 1]).max((0, -1)) > 1e-5
    return [differs[:PATCH].any(2).T, differs[PATCH:].any(1).T]


@pytest.mark.parametrize('strategy, site', CASES, ids=repr)
def test_reach_is_what_outputs_read(strategy, site):
    at = strategy.at(site)
    reach = at.reach(SIZES)
    step = at.sampling
    for axis, reads in enumerate(measured(strategy, site)):
        centres = np.arange(len(reads)) * step - GAP
        whole = reach is None
        before, after = (0, 0) if whole else reach[axis]
        inside = np.flatnonzero((centres >= before) & (centres + after < PATCH))
        assert len(inside) > 1
        offsets = {int(p - centres[i]) for i in inside for p in np.flatnonzero(reads[i])}
        low, high = min(offsets), max(offsets)
        if whole:
            assert low < -PATCH // 2 and high > PATCH // 2
        elif isinstance(at, strategies.FractionalMax):  # whose windows drift along the axis
            assert -before <= low < high <= after
        else:
            assert (low, high) == (-before, after), axis
