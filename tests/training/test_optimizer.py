"""Optimisers against updates worked by hand, and schedules at their corners."""

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.training import Optimizer, make_optimizer, make_schedule


def updates(optimizer: Optimizer, steps: int = 2) -> dict:
    """The updates of constant gradients (kernel 1, bias 1) at parameters that stay at 2."""
    params = {'kernel': jnp.full((1, 1), 2.0), 'bias': jnp.full(1, 2.0)}
    grads = {'kernel': jnp.ones((1, 1)), 'bias': jnp.ones(1)}
    tx = make_optimizer(optimizer, epochs=1, steps_per_epoch=10, strategies=())
    state = tx.init(params)
    out = None
    for _ in range(steps):
        out, state = tx.update(grads, state, params)
    assert out is not None
    return {k: float(v.ravel()[0]) for k, v in out.items()}


@pytest.mark.parametrize(
    'optimizer, kernel, bias',
    [
        (Optimizer(name='sgd', learning_rate=0.1), -0.1, -0.1),
        (Optimizer(name='sgd', learning_rate=0.1, weight_decay=0.5), -0.2, -0.1),
        (Optimizer(name='momentum', learning_rate=0.1, momentum=0.5), -0.15, -0.15),
        (Optimizer(name='nesterov', learning_rate=0.1, momentum=0.5), -0.175, -0.175),
        (Optimizer(name='adam', learning_rate=0.1), -0.1, -0.1),
        (Optimizer(name='adamw', learning_rate=0.1, weight_decay=0.5), -0.2, -0.1),
    ],
)
def test_second_update_by_hand(optimizer, kernel, bias):
    got = updates(optimizer)
    np.testing.assert_allclose([got['kernel'], got['bias']], [kernel, bias], rtol=1e-4)


def test_muon_takes_a_kernel_to_the_nearest_orthogonal_matrix():
    """U V^T of the gradient by NumPy; the five iterations of Newton and Schulz are within a third.

    Its elements are as large as Adam's: 0.2 of the learning rate, as a root mean square.
    """
    rng = np.random.default_rng(0)
    shapes = {'conv': (3, 3, 2, 8), 'dense': (4, 3)}
    params = {name: {'kernel': jnp.full(shape, 2.0)} for name, shape in shapes.items()}
    grads = jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape), jnp.float32), params)
    muon = Optimizer(name='muon', learning_rate=0.1, weight_decay=0.5)
    tx = make_optimizer(muon, epochs=1, steps_per_epoch=10, strategies=())
    updated, _ = tx.update(grads, tx.init(params), params)
    got, grads = (
        {n: layer['kernel'] for n, layer in cast(dict, t).items()} for t in (updated, grads)
    )
    u, _, v = np.linalg.svd(np.asarray(grads['conv']).reshape(18, 8), full_matrices=False)
    moved = -(np.asarray(got['conv']).reshape(18, 8) / 0.1 + 0.5 * 2.0)
    spread = np.linalg.svd(moved, compute_uv=False) / (0.2 * 18**0.5)
    assert ((spread > 0.65) & (spread < 1.35)).all()
    assert (moved * (u @ v)).sum() / np.linalg.norm(moved) / np.linalg.norm(u @ v) > 0.97
    ahead = 1 + 0.9 * 0.1 / (1 - 0.9**2)  # Adam with Nesterov's momentum, first step
    expected = -0.1 * (ahead * np.sign(grads['dense']) + 0.5 * 2.0)
    np.testing.assert_allclose(got['dense'], expected, rtol=1e-3)


def test_step_schedule():
    optimizer = Optimizer(
        schedule='step', learning_rate=1.0, step_epochs=(1.0, 2.0), step_factor=0.5
    )
    schedule = make_schedule(optimizer, epochs=3, steps_per_epoch=10)
    assert [float(schedule(s)) for s in (0, 9, 10, 19, 20)] == [1, 1, 0.5, 0.5, 0.25]


def test_warmup_cosine_schedule():
    optimizer = Optimizer(schedule='warmup_cosine', learning_rate=1.0, warmup_epochs=1.0)
    schedule = make_schedule(optimizer, epochs=3, steps_per_epoch=10)
    np.testing.assert_allclose(
        [float(schedule(s)) for s in (0, 5, 10, 20, 30)], [0, 0.5, 1, 0.5, 0], atol=1e-6
    )


@pytest.mark.parametrize(
    'values, said',
    [
        ({'name': 'adma'}, "did you mean 'adam'"),
        ({'schedule': 'cosine'}, "did you mean 'warmup_cosine'"),
        ({'learning_rate': 0.0}, 'learning_rate must be above 0'),
        ({'learning_rate': float('nan')}, 'learning_rate must be a number'),
        ({'weight_decay': -1.0}, 'weight_decay must be a number of at least 0'),
        ({'momentum': 1.0}, 'momentum must be below 1'),
        ({'step_epochs': (1.0, 1.0)}, 'step_epochs must be different numbers above 0'),
        ({'step_epochs': '12'}, 'step_epochs must be different numbers above 0'),
        ({'learning_rate': True}, 'learning_rate must be a number'),
    ],
)
def test_bad_values(values, said, unchecked):
    with pytest.raises(BadInput, match=said):
        Optimizer(**values)


def test_warmup_longer_than_training():
    optimizer = Optimizer(schedule='warmup_cosine', warmup_epochs=3.0)
    with pytest.raises(BadInput, match='warmup_epochs must be below epochs = 3'):
        make_schedule(optimizer, epochs=3, steps_per_epoch=10)
