"""The order of examples: each once, new each epoch, a pure function of seed and epoch."""

import jax
import numpy as np

from cnn_jax.training.batches import epoch_order


def order(seed, epoch):
    return np.asarray(epoch_order(jax.random.key(seed), epoch, examples=103, batch_size=10))


def test_every_example_at_most_once_and_all_but_the_remainder():
    assert order(0, 0).shape == (10, 10)
    assert len(np.unique(order(0, 0))) == 100 and order(0, 0).max() < 103


def test_pure_in_seed_and_epoch():
    np.testing.assert_array_equal(order(1, 2), order(1, 2))
    assert (order(1, 2) != order(1, 3)).any() and (order(1, 2) != order(2, 2)).any()


def test_the_examples_left_out_change():
    assert (
        len(set(map(frozenset, (np.setdiff1d(np.arange(103), order(0, e)) for e in range(4))))) > 1
    )
