"""convnet1 trained by PyTorch and by us, from either side's initial weights, and carried across.

Measured, never imported by cnn_jax. PyTorch uses its own layers, optimiser and shifts; the two
sides share only the data, as numbers between 0 and 1 minus their mean, and the seeds.
"""

# pyright: reportMissingImports=false

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cnn_jax.data import Dataset
from cnn_jax.evaluation import (
    accuracy,
    draw_shift_pairs,
    predict_logits,
    predictor,
    shifted_answers,
)
from cnn_jax.runs.config import Cell
from cnn_jax.runs.setup import Setup, setup_of
from cnn_jax.streams import Stream, stream_key
from cnn_jax.training import create_state, train_epoch, zero_sums
from cnn_jax.training.batches import epoch_order, steps_per_epoch
from cnn_jax.weights.names import Names
from cnn_jax.weights.saved import flat, nested
from cnn_jax.weights.slots import Slot, slots
from experiments.benchmarks.training_torch import convnet1

PARTS = {
    'conv': ('params/conv1/kernel', 'params/conv2/kernel'),
    'dense': ('params/dense/kernel',),
    'bias': ('params/conv1/bias', 'params/conv2/bias', 'params/dense/bias'),
}
"""The parameters whose initial values differ between Flax and PyTorch; batch norm's do not."""

_NAMES = Names(
    {'conv1': '0', 'norm1': '1', 'conv2': '4', 'norm2': '5', 'dense': '9'},
    flattened={'dense': 'conv2'},
)
_POOLS = {'max': nn.MaxPool2d, 'avg': nn.AvgPool2d}


@dataclass(frozen=True)
class Variant:
    """Which side trains, from which initial weights, in which order.

    Attributes:
        engine: 'jax' or 'torch'.
        our_start: The parts of `PARTS` that start from our values; the others from PyTorch's.
        our_order: Whether the batches are ours; otherwise `torch.randperm` shuffles each epoch.
    """

    engine: str
    our_start: tuple[str, ...] = ()
    our_order: bool = True


VARIANTS = {
    'ours': Variant('jax', tuple(PARTS)),
    'torch': Variant('torch', our_order=False),
    'torch_our_start': Variant('torch', tuple(PARTS)),
    'ours_torch_start': Variant('jax'),
    'torch_our_conv': Variant('torch', ('conv',)),
    'torch_our_dense': Variant('torch', ('dense',)),
}


def run_twin(variant: Variant, strategy: str, cell: Cell, dataset: Dataset) -> dict:
    """Trains one network and evaluates it on both sides with the same shifts.

    'consistency' is by `cnn_jax.evaluation`, 'consistency_torch' by PyTorch and plain slicing, both
    with a border of zeros; 'logits_apart' is the largest difference between the two sides' logits.
    """
    setup = setup_of(cell, dataset)
    fresh = create_state(
        setup.classifier, setup.optimizer, jax.random.key(cell.seed), dataset.image_shape
    )
    torch.manual_seed(cell.seed)
    net = twin_network(strategy)
    ours = flat(fresh.variables)
    theirs = flat(to_ours(net, ours))
    start = first_weights(ours, theirs, variant.our_start)
    if variant.engine == 'jax':
        state = replace(fresh, params=jax.tree.map(jnp.asarray, nested(start)['params']))
        variables = _train_jax(setup, state, cell, dataset)
        carry(variables, net)
    else:
        carry(nested(start), net)
        _train_torch(net, setup, _orders(variant, cell, dataset), dataset)
        variables = to_ours(net, ours)
    return judged(setup, variables, net, cell, dataset)


def first_weights(ours: Mapping, theirs: Mapping, our_parts: Iterable[str]) -> dict:
    """These parts of `PARTS` of the flat tree `ours`, and the rest of `theirs`."""
    kept = {path for part in our_parts for path in PARTS[part]}
    return {path: ours[path] if path in kept else theirs[path] for path in ours}


def twin_network(strategy: str) -> nn.Sequential:
    """convnet1 in PyTorch with 2x2 'max' or 'avg' pools, with PyTorch's first weights."""
    net = convnet1('max')
    assert isinstance(net, nn.Sequential)
    net[3], net[7] = _POOLS[strategy](2), _POOLS[strategy](2)
    net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return net


def carry(variables: Mapping, net: nn.Module) -> None:
    """Copies our variables into the network."""
    leaves = flat(variables)
    tensors = {
        slot.name: torch.tensor(np.array(slot.to_torch(np.asarray(leaves[slot.path]))))
        for slot in _slots(leaves)
    }
    missing, unexpected = net.load_state_dict(tensors, strict=False)
    assert not unexpected and all(name.endswith('num_batches_tracked') for name in missing)


def to_ours(net: nn.Module, like: Mapping) -> dict:
    """The network's weights as variables of ours; `like` is a flat tree of the same shapes."""
    tensors = net.state_dict()
    return nested(
        {slot.path: jnp.array(slot.to_ours(tensors[slot.name].numpy())) for slot in _slots(like)}
    )


def _slots(leaves: Mapping) -> list[Slot]:
    return slots('ConvNet1', leaves, _NAMES)


def _train_jax(setup: Setup, state, cell: Cell, dataset: Dataset) -> Mapping:
    train, key = dataset.train, jax.random.key(cell.seed)
    images, labels = jnp.asarray(train.images), jnp.asarray(train.labels)
    for order in _our_orders(cell, dataset):
        state, _, outcome = train_epoch(
            setup.step, state, zero_sums(), images=images, labels=labels, order=order, key=key
        )
        assert outcome == 'finished'
    return jax.tree.map(np.asarray, state.variables)


def _our_orders(cell: Cell, dataset: Dataset) -> Iterator[jax.Array]:
    for epoch in range(cell.epochs):
        yield epoch_order(
            jax.random.key(cell.seed),
            epoch,
            examples=len(dataset.train),
            batch_size=cell.batch_size,
        )


def _orders(variant: Variant, cell: Cell, dataset: Dataset) -> Iterator[torch.Tensor]:
    if variant.our_order:
        yield from (torch.tensor(np.array(order)) for order in _our_orders(cell, dataset))
        return
    generator = torch.Generator().manual_seed(1000 + cell.seed)
    steps = steps_per_epoch(len(dataset.train), cell.batch_size)
    for _ in range(cell.epochs):
        mixed = torch.randperm(len(dataset.train), generator=generator)
        yield mixed[: steps * cell.batch_size].reshape(steps, cell.batch_size)


def _train_torch(
    net: nn.Module, setup: Setup, orders: Iterable[torch.Tensor], dataset: Dataset
) -> None:
    images, labels = _inputs(setup, dataset.train.images), torch.tensor(dataset.train.labels).long()
    assert setup.schedule is not None
    optimizer = torch.optim.Adam(net.parameters(), float(np.asarray(setup.schedule(0))))
    net.train()
    for order in orders:
        for index in order:
            optimizer.zero_grad()
            functional.cross_entropy(net(images[index]), labels[index]).backward()
            optimizer.step()
    net.eval()


def _inputs(setup: Setup, images: np.ndarray) -> torch.Tensor:
    mean, std = setup.classifier.mean[0], setup.classifier.std[0]
    return ((torch.tensor(images).float() / 255 - mean) / std).permute(
        0, 3, 1, 2
    )  # channels last in memory


@torch.no_grad()
def _torch_logits(net: nn.Module, setup: Setup, images: np.ndarray) -> np.ndarray:
    net.eval()
    batches = np.array_split(images, max(1, len(images) // 500))
    return np.concatenate([net(_inputs(setup, batch)).numpy() for batch in batches])


def _sliced(images: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Each image moved down and right by its (dy, dx): padded with zeros, then cut out."""
    reach = int(abs(shifts).max())
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    height, width = images.shape[1:3]
    corners = reach - shifts
    moved = [p[y : y + height, x : x + width] for p, (y, x) in zip(padded, corners, strict=True)]
    return np.stack(moved)


def judged(setup: Setup, variables: Mapping, net: nn.Module, cell: Cell, dataset: Dataset) -> dict:
    test, how = dataset.test, cell.evaluation
    key = stream_key(jax.random.key(cell.seed), Stream.SHIFTS, 0)
    pairs = draw_shift_pairs(key, len(test), max_shift=how.max_shift)
    predict = predictor(setup.classifier, variables)
    ours = predict_logits(predict, test.images, batch_size=how.batch_size)
    answers = shifted_answers(predict, test.images, pairs, batch_size=how.batch_size)
    theirs = _torch_logits(net, setup, test.images)
    first, second = (
        _torch_logits(net, setup, _sliced(test.images, pairs[:, which])).argmax(1)
        for which in (0, 1)
    )
    return {
        'accuracy': accuracy(ours, test.labels),
        'accuracy_torch': accuracy(theirs, test.labels),
        'consistency': float((answers[:, 0] == answers[:, 1]).mean()),
        'consistency_torch': float((first == second).mean()),
        'logits_apart': float(abs(ours - theirs).max()),
    }
