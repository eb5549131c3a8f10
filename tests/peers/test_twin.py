"""convnet1 trained side by side with PyTorch's, and one network evaluated on both sides."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn import functional

from cnn_jax.data import Dataset, Split, make_shapes
from cnn_jax.runs.command_line import load_config
from cnn_jax.runs.config import Cell, cells_of
from cnn_jax.runs.setup import Setup, setup_of
from cnn_jax.training import create_state, zero_sums
from experiments.benchmarks import twin

STEPS = 15


def small() -> Dataset:
    """Eight shapes, with the ten classes of the network."""
    shapes = make_shapes(train=STEPS * 128, test=500)
    names = (*shapes.class_names, 'none', 'nothing')
    return Dataset('shapes', shapes.train, Split(*vars(shapes.test).values()), names)


def parts(strategy: str, dataset: Dataset) -> tuple[Cell, Setup]:
    cell = cells_of(load_config(Path('configs/fashion_mnist/twin.py')))[strategy, 0]
    return cell, setup_of(cell, dataset)


@pytest.mark.parametrize('strategy', ['max', 'avg'])
def test_adam_and_batch_norm_walk_the_same_way_for_many_steps(strategy: str):
    """From the same weights in the same order, in float32, which lets the two drift apart slowly.

    Seen for max: loss .00004 and logits .012 apart. Another momentum of the running statistics
    moves the logits by 1 and more; Adam's second decay .99 instead of .999, or a rate 2 % off, by
    .2; the losses, by .0007, an epsilon of batch norm of 1e-3 or of Adam of 1e-5.
    """
    dataset = small()
    cell, setup = parts(strategy, dataset)
    state = create_state(setup.classifier, setup.optimizer, jax.random.key(0), (28, 28, 1))
    net = twin.twin_network(strategy)
    twin.carry(jax.tree.map(np.array, state.variables), net)
    adam = torch.optim.Adam(net.parameters(), 1e-3)
    pixels = torch.tensor(dataset.train.images).float() / 255
    pixels = (pixels - setup.classifier.mean[0]) / setup.classifier.std[0]
    labels = torch.tensor(dataset.train.labels).long()
    order = np.arange(STEPS * 128, dtype=np.int32).reshape(STEPS, 128)
    data = (jnp.asarray(dataset.train.images), jnp.asarray(dataset.train.labels))
    for index in order:
        state, sums = setup.step(state, zero_sums(), *data, jnp.asarray(order), jax.random.key(0))
        loss = functional.cross_entropy(net(pixels[index].permute(0, 3, 1, 2)), labels[index])
        adam.zero_grad()
        loss.backward()
        adam.step()
        assert abs(float(sums.loss) / 128 - loss.item()) < 3e-4
    judged = twin.judged(setup, state.variables, net, cell, dataset)
    assert judged['logits_apart'] < 0.05


@pytest.mark.parametrize(('engine', 'strategy'), [('jax', 'max'), ('torch', 'avg')])
def test_one_network_is_judged_alike_on_both_sides(engine: str, strategy: str):
    dataset = small()
    cell, _ = parts(strategy, dataset)
    result = twin.run_twin(twin.Variant(engine, ('conv',)), strategy, cell, dataset)
    assert result['logits_apart'] < 1e-3
    assert result['consistency'] == pytest.approx(result['consistency_torch'], abs=0.003)
    assert 0.1 < result['consistency'] < 1


def test_exchanged_parts_start_as_ours_and_the_others_as_pytorchs():
    dataset = small()
    _, setup = parts('max', dataset)
    torch.manual_seed(0)
    net = twin.twin_network('max')
    ours = twin.flat(
        create_state(setup.classifier, setup.optimizer, jax.random.key(0), (28, 28, 1)).variables
    )
    theirs = twin.flat(twin.to_ours(net, ours))
    start = twin.first_weights(ours, theirs, ('dense', 'bias'))
    for path in ours:
        same = ours if 'conv' not in path or 'bias' in path else theirs
        np.testing.assert_array_equal(start[path], same[path])
    named = {path for part in twin.PARTS.values() for path in part}
    differ = {path for path in ours if not np.array_equal(ours[path], theirs[path])}
    assert differ == named
