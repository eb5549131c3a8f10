"""The compiled train step against the same step written by hand, and the loop that drives it."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnn_jax.data import load
from cnn_jax.models import Classifier, ConvNet1
from cnn_jax.strategies import Max, MaxBlur
from cnn_jax.training import (
    Optimizer,
    create_state,
    cross_entropy,
    make_optimizer,
    make_train_step,
    train_epoch,
    zero_sums,
)
from cnn_jax.training.augment import Augment
from cnn_jax.training.batches import epoch_order
from cnn_jax.training.state import stacked

CLASSIFIER = Classifier(ConvNet1(Max(), 4), mean=(0.3,), std=(0.3,))
SHAPE = (28, 28, 1)


@pytest.fixture(scope='module')
def split():
    train = load('shapes_tiny', log=lambda line: None).train
    return jnp.asarray(train.images), jnp.asarray(train.labels % 4)


def start(seed=0, learning_rate=1e-2):
    tx = make_optimizer(
        Optimizer(name='sgd', learning_rate=learning_rate), epochs=1, steps_per_epoch=8
    )
    return create_state(CLASSIFIER, tx, jax.random.key(seed), SHAPE), tx


def test_step_is_plain_gradient_descent_on_the_right_batch(split):
    images, labels = split
    state, tx = start()
    order = epoch_order(jax.random.key(0), 0, examples=len(labels), batch_size=16)

    def loss(params):
        variables = {'params': params, 'batch_stats': state.batch_stats}
        logits, _, _ = CLASSIFIER.train_logits(variables, images[order[0]], jax.random.key(0))
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[order[0]]).mean()

    value, grads = jax.value_and_grad(loss)(state.params)
    expected = jax.tree.map(lambda p, g: p - 1e-2 * g, state.params, grads)
    step = make_train_step(CLASSIFIER, tx, augment=Augment())
    new, sums = step(state, zero_sums(), images, labels, order, jax.random.key(0))
    chex.assert_trees_all_close(new.params, expected, atol=1e-6)
    np.testing.assert_allclose(sums.loss, 16 * value, rtol=1e-5)
    assert int(sums.count) == 16 and int(new.step) == 1


def test_one_compilation_serves_every_seed_and_epoch(split):
    images, labels = split
    _, tx = start()
    step = make_train_step(CLASSIFIER, tx, augment=Augment(crop=2, flip=True))
    step = jax.jit(chex.assert_max_traces(step.__wrapped__, n=1))
    for seed in (0, 1, 2):
        state, _ = start(seed)
        key = jax.random.key(seed)
        for epoch in range(2):
            order = epoch_order(key, epoch, examples=len(labels), batch_size=16)
            state, _, outcome = train_epoch(
                step, state, zero_sums(), images=images, labels=labels, order=order, key=key
            )
            assert outcome == 'finished' and int(state.step) == (epoch + 1) * order.shape[0]


def test_a_compiled_loop_takes_the_same_steps(split):
    images, labels = split
    key = jax.random.key(5)
    order = epoch_order(key, 0, examples=len(labels), batch_size=4)
    arguments = {'images': images, 'labels': labels, 'order': order, 'key': key}
    _, tx = start()
    step = make_train_step(CLASSIFIER, tx, augment=Augment(crop=1))
    results, ticks = {}, {False: [], True: []}
    for compiled_loop in (False, True):
        arguments['compiled_loop'] = compiled_loop
        tick = ticks[compiled_loop].append
        stopped = train_epoch(
            step, start()[0], zero_sums(), **arguments, tick=tick, stop=lambda: True
        )
        assert stopped[2] == 'stopped' and 0 < int(stopped[0].step) < order.shape[0]
        results[compiled_loop] = train_epoch(step, *stopped[:2], **arguments, tick=tick)
        assert results[compiled_loop][2] == 'finished'
    assert ticks[False] == ticks[True] and sum(ticks[True]) == order.shape[0]
    chex.assert_trees_all_close(results[True][:2], results[False][:2], atol=1e-5)


def test_seeds_side_by_side_are_the_single_seeds(split):
    images, labels = split
    _, tx = start()
    augment = Augment(crop=2, flip=True)
    step = make_train_step(CLASSIFIER, tx, augment=augment)
    keys = [jax.random.key(seed) for seed in range(3)]
    orders = [epoch_order(key, 0, examples=len(labels), batch_size=16) for key in keys]
    singles = [
        step(start(seed)[0], zero_sums(), images, labels, orders[seed], keys[seed])
        for seed in range(3)
    ]

    def several():  # anew, as both steps below are given them to keep
        states, sums = [start(seed)[0] for seed in range(3)], [zero_sums()] * 3
        return stacked(states), stacked(sums), images, labels, stacked(orders), stacked(keys)

    mapped = jax.vmap(step, in_axes=(0, 0, None, None, 0, 0))(*several())
    together = make_train_step(CLASSIFIER, tx, augment=augment, together=True)(*several())
    chex.assert_trees_all_close(mapped, stacked(singles), atol=1e-5)
    chex.assert_trees_all_close(together, stacked(singles), atol=1e-5)


def test_training_learns(split):
    images, labels = split
    state, tx = start(learning_rate=0.05)
    step = make_train_step(CLASSIFIER, tx, augment=Augment())
    key, losses = jax.random.key(0), []
    for epoch in range(4):
        order = epoch_order(key, epoch, examples=len(labels), batch_size=16)
        state, sums, _ = train_epoch(
            step, state, zero_sums(), images=images, labels=labels, order=order, key=key
        )
        losses.append(float(sums.loss) / int(sums.count))
    assert losses[-1] < 0.7 * losses[0]


def test_stopping_and_going_on_gives_the_same_bits(split):
    images, labels = split
    key = jax.random.key(3)
    order = epoch_order(key, 0, examples=len(labels), batch_size=8)
    arguments = {'images': images, 'labels': labels, 'order': order, 'key': key}
    state, tx = start()
    step = make_train_step(CLASSIFIER, tx, augment=Augment(crop=1))
    straight = train_epoch(step, state, zero_sums(), **arguments)
    state, sums, outcome = train_epoch(
        step, start()[0], zero_sums(), **arguments, stop=lambda: True
    )
    assert outcome == 'stopped' and 0 < int(state.step) < order.shape[0]
    resumed = train_epoch(step, state, sums, **arguments)
    chex.assert_trees_all_equal(resumed[:2], straight[:2])


def test_a_loss_that_is_not_finite_ends_the_epoch_and_names_the_step(split):
    images, labels = split
    state, tx = start(learning_rate=1e30)
    step = make_train_step(CLASSIFIER, tx, augment=Augment())
    order = epoch_order(jax.random.key(0), 0, examples=len(labels), batch_size=16)
    _, sums, outcome = train_epoch(
        step,
        state,
        zero_sums(),
        images=images,
        labels=labels,
        order=order,
        key=jax.random.key(0),
    )
    assert outcome == 'diverged' and int(sums.first_bad_step) == 2


def test_label_smoothing_by_hand():
    logits, labels = jnp.array([[2.0, 0.0]]), jnp.array([0])
    log_p = np.log([np.exp(2) / (np.exp(2) + 1), 1 / (np.exp(2) + 1)])
    expected = -(0.9 * log_p[0] + 0.1 * log_p[1])
    np.testing.assert_allclose(cross_entropy(logits, labels, smoothing=0.2), expected, rtol=1e-5)


@pytest.mark.skipif(jax.default_backend() != 'cpu', reason='what glibc maps afresh')
@pytest.mark.parametrize('strategy', [Max(), MaxBlur()])
def test_a_step_of_convnet1_takes_less_temporary_memory_than_glibc_maps_afresh(strategy):
    classifier = Classifier(ConvNet1(strategy, 10), mean=(0.3,), std=(0.3,))
    tx = make_optimizer(Optimizer(), epochs=1, steps_per_epoch=1)
    state = create_state(classifier, tx, jax.random.key(0), SHAPE)
    step = make_train_step(classifier, tx, augment=Augment())
    images, labels = jnp.zeros((128, *SHAPE), jnp.uint8), jnp.zeros(128, jnp.int32)
    order = jnp.arange(128).reshape(1, -1)
    compiled = step.lower(state, zero_sums(), images, labels, order, jax.random.key(0)).compile()
    memory = compiled.memory_analysis()
    assert memory and memory.temp_size_in_bytes < 32 * 2**20  # MaxBlur: 35 with Flax's
