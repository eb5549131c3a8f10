"""With circular borders and even maps, APS and LPS make a whole network shift-invariant."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.models import Classifier, build_model
from cnn_jax.strategies import APS, LPS, Max
from cnn_jax.training import Optimizer, TrainState, make_optimizer, make_train_step, zero_sums
from cnn_jax.training.augment import Augment

SIDE, EXAMPLES, STEPS = 16, 8, 4
EXACT = [APS(filter_size=3), LPS()]
INEXACT = [Max()]


def patterns(seed):
    """Images of two blobs on a noisy ground, in four classes by their distance; uint8."""
    rng = np.random.default_rng(seed)
    labels = np.arange(EXAMPLES) % 4
    images = rng.integers(0, 60, (EXAMPLES, SIDE, SIDE, 3))
    for image, label in zip(images, labels, strict=True):
        row, column = rng.integers(0, SIDE, 2)
        image[row, column] = image[row, (column + 2 + 2 * label) % SIDE] = 255
    return jnp.asarray(images, jnp.uint8), jnp.asarray(labels)


def drawn(classifier, optimizer):
    """The state before the first step, He's initialisation drawn by NumPy: nothing to compile."""
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        name = path[-1].key
        if name in ('kernel', 'mixing'):
            spread = (2 / np.prod(leaf.shape[:-1])) ** 0.5
            return jnp.asarray(rng.normal(scale=spread, size=leaf.shape), leaf.dtype)
        return jnp.full(leaf.shape, float(name in ('scale', 'var')), leaf.dtype)

    shapes = jax.eval_shape(lambda: classifier.init(jax.random.key(0), (SIDE, SIDE, 3)))
    variables = jax.tree_util.tree_map_with_path(draw, shapes)
    opt_state = optimizer.init(variables['params'])
    return TrainState(step=jnp.zeros((), jnp.int32), opt_state=opt_state, **variables)


@pytest.mark.parametrize('strategy', [*EXACT, *INEXACT], ids=repr)
def test_circular_consistency_of_a_resnet_untrained_and_trained(strategy):
    """The logits for every image, under shifts of every parity: equal, or clearly not.

    Where they are not, the untrained network is enough.
    """
    shape = {'small_images': True, 'depths': (1, 1, 1, 1), 'num_classes': 4}
    model = build_model('resnet18', downsample=strategy, fill='circular', **shape)
    classifier = Classifier(model, mean=(0.2,) * 3, std=(0.3,) * 3)
    optimizer = make_optimizer(
        Optimizer(name='adam', learning_rate=1e-3), epochs=1, steps_per_epoch=STEPS
    )
    state = drawn(classifier, optimizer)
    images, labels = patterns(0)
    logits = jax.jit(classifier.logits)
    shifts = [(0, 1), (3, 5), (7, 8), (9, 2)]

    def largest_change():
        variables = {'params': state.params, 'batch_stats': state.batch_stats}
        expected = np.asarray(logits(variables, images))
        spread = np.ptp(expected)
        moved = [logits(variables, jnp.roll(images, shift, (1, 2))) for shift in shifts]
        agree = [(np.asarray(y).argmax(1) == expected.argmax(1)).all() for y in moved]
        return max(np.abs(y - expected).max() for y in moved) / spread, all(agree)

    step = make_train_step(classifier, optimizer, augment=Augment())
    order = jnp.tile(jnp.arange(EXAMPLES), (STEPS, 1))
    change, agree = largest_change()
    if strategy not in EXACT:
        assert change > 1e-3
        return
    assert change < 1e-4 and agree
    if isinstance(strategy, APS):
        return  # it has no parameters: other weights of the network would show no more
    sums = zero_sums()
    for _ in range(STEPS):
        state, sums = step(state, sums, images, labels, order, jax.random.key(0))
    assert np.isfinite(sums.loss)
    change, agree = largest_change()
    assert change < 1e-4 and agree
