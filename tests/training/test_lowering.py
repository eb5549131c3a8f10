"""The train step of every strategy for accelerators, without one: XLA's input for GPU and TPU."""

import re

import jax
import jax.numpy as jnp
import pytest

from cnn_jax.models import Classifier, build_model
from cnn_jax.strategies import strategy_named, strategy_names
from cnn_jax.training import (
    Optimizer,
    create_state,
    make_optimizer,
    make_train_step,
    strategy_paths,
    zero_sums,
)
from cnn_jax.training.augment import Augment
from cnn_jax.training.state import stacked

SHAPE = (28, 28, 1)
SLOW = r'stablehlo\.scatter|select_and_scatter|callback|custom_call'  # or not the same every time


@pytest.mark.parametrize('name', strategy_names())
def test_the_step_of_several_seeds_lowers(name):
    model = build_model('convnet1_3x3', downsample=strategy_named(name), num_classes=10)
    optimizer = make_optimizer(
        # Muon's products of kernels are the same for all strategies, and take long to trace.
        Optimizer(name='muon' if name == 'max' else 'sgd', learning_rate=0.01, momentum=0.95),
        epochs=1,
        steps_per_epoch=2,
        strategies=strategy_paths(model, SHAPE),
    )
    classifier = Classifier(model, mean=(0.3,), std=(0.3,))
    augment = Augment(crop=2, flip=True, cutout=4)

    def arguments():
        state = create_state(classifier, optimizer, jax.random.key(0), SHAPE)
        order, key = jnp.zeros((2, 4), jnp.int32), jax.random.key(0)
        state, sums, order, key = (stacked([a, a]) for a in (state, zero_sums(), order, key))
        return state, sums, jnp.zeros((8, *SHAPE), jnp.uint8), jnp.zeros(8, jnp.int32), order, key

    step = make_train_step(classifier, optimizer, augment=augment, together=True)
    traced = step.trace(*jax.eval_shape(arguments))
    text = traced.lower(lowering_platforms=('cuda', 'tpu')).as_text()
    assert re.findall(SLOW, text) == []
