"""Every measure takes a plain function from images to logits, from any library."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

from cnn_jax.errors import BadInput
from cnn_jax.evaluation import (
    accuracy,
    correct_under_all_shifts,
    predict_logits,
    shift_consistency,
    shift_map,
)

IMAGES = np.random.default_rng(0).random((50, 8, 6, 3)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(size=(8 * 6 * 3, 4)).astype(np.float32)


def with_numpy():
    return lambda x: np.asarray(x).reshape(len(x), -1) @ WEIGHTS


def with_linen():
    dense = nn.Dense(4, use_bias=False)
    return jax.jit(lambda x: dense.apply({'params': {'kernel': WEIGHTS}}, x.reshape(len(x), -1)))


def with_nnx():
    dense = nnx.Linear(8 * 6 * 3, 4, use_bias=False, rngs=nnx.Rngs(0))
    dense.kernel[...] = jnp.asarray(WEIGHTS)
    return lambda x: dense(x.reshape(len(x), -1))


def with_equinox():
    dense = eqx.nn.Linear(8 * 6 * 3, 4, use_bias=False, key=jax.random.key(0))
    dense = eqx.tree_at(lambda d: d.weight, dense, jnp.asarray(WEIGHTS.T))
    return lambda x: jax.vmap(dense)(x.reshape(len(x), -1))


def measures(predict):
    labels = predict_logits(predict, IMAGES).argmax(1)
    return [
        predict_logits(predict, IMAGES, batch_size=7).argmax(1),
        shift_consistency(predict, IMAGES, key=jax.random.key(0), max_shift=2, batch_size=16),
        correct_under_all_shifts(predict, IMAGES, labels, max_shift=1),
        shift_map(predict, IMAGES[0], 1, max_shift=1).round(4),
    ]


@pytest.mark.parametrize('make', [with_linen, with_nnx, with_equinox])
def test_one_line_measures_a_model_of_any_library(make):
    for found, expected in zip(measures(make()), measures(with_numpy()), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-4)


def test_consistency_is_one_or_zero_for_each_image():
    found = shift_consistency(with_numpy(), IMAGES, key=jax.random.key(0))
    assert found.shape == (50,) and set(found.tolist()) == {0.0, 1.0}
    assert (
        found.tolist()
        == shift_consistency(with_numpy(), IMAGES, key=jax.random.key(0), batch_size=9).tolist()
    )


@pytest.mark.parametrize(
    ('predict', 'images', 'message'),
    [
        (lambda x: x.mean((1, 2, 3)), IMAGES, r'logits of shape \(50, classes\).*float32 \(50,\)'),
        (lambda x: x[:1].mean((1, 2)), IMAGES, r'got float32 \(1, 3\)'),
        (lambda x: x.mean((1, 2)).argsort(), IMAGES, 'floating logits'),
        (lambda x: x.mean((1, 2)), IMAGES[:0], 'at least one; got'),
        (lambda x: x.mean((1, 2)), IMAGES[0], r'must be \(images, height, width, channels\)'),
    ],
)
def test_what_is_no_prediction_is_told(unchecked, predict, images, message):
    with pytest.raises(BadInput, match=message):
        predict_logits(predict, images, batch_size=50)


def test_labels_and_shifts_that_do_not_match_are_told(unchecked):
    predict, one = with_numpy(), np.zeros(1, int)
    with pytest.raises(BadInput, match=r'labels must be \(50,\).*got \(1,\)'):
        correct_under_all_shifts(predict, IMAGES, one, max_shift=1)
    with pytest.raises(BadInput, match=r'labels must be \(50,\)'):
        accuracy(predict_logits(predict, IMAGES), one)
    with pytest.raises(BadInput, match=r'one \(dy, dx\) for each of 50 images; got \(1, 2\)'):
        predict_logits(predict, IMAGES, shifts=np.zeros((1, 2), int))
