"""The JAX side of the training benchmark: our step, its parts, Flax's step, and the machine."""

import time
from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from cnn_jax.inspection import direct_step_work
from cnn_jax.models import Classifier, build_model, for_images
from cnn_jax.strategies import strategy_named
from cnn_jax.streams import Stream, stream_key
from cnn_jax.training import (
    Optimizer,
    create_state,
    make_optimizer,
    make_train_step,
    train_epoch,
    zero_sums,
)
from cnn_jax.training.augment import Augment, augment_images
from experiments.benchmarks import training_flax

STEPS = 20  # of the epoch whose overhead is measured
COPIED = 1 << 24  # floats
PRODUCT = (4096, 1024, 1024)  # the matrix product that measures the machine's speed


class Run:
    """Everything that one of our train steps needs, on random images."""

    def __init__(self, model: str, downsample: str, batch: int, shape: tuple[int, int, int]):
        network = build_model(model, downsample=strategy_named(downsample), num_classes=10)
        channels = shape[-1]
        self.classifier = Classifier(
            for_images(network, shape), mean=(0.5,) * channels, std=(0.25,) * channels
        )
        optimizer = make_optimizer(Optimizer(), epochs=1, steps_per_epoch=STEPS)
        self.key = jax.random.key(0)
        self.state = create_state(self.classifier, optimizer, self.key, shape)
        rng = np.random.default_rng(0)
        examples = batch * STEPS
        self.images = jnp.asarray(rng.integers(0, 256, (examples, *shape), np.uint8))
        self.labels = jnp.arange(examples) % 10
        self.order = jnp.asarray(rng.permutation(examples).reshape(STEPS, batch))
        self.step = make_train_step(self.classifier, optimizer, augment=Augment())
        self.sums = zero_sums()

    @property
    def data(self) -> tuple:
        """The arguments of the step that do not change."""
        return self.images, self.labels, self.order, self.key

    def train(self) -> None:
        """One step."""
        self.state, self.sums = self.step(self.state, self.sums, *self.data)
        jax.block_until_ready((self.state, self.sums))

    def epoch_of_steps(self) -> None:
        """The steps of an epoch and nothing else: no waiting, no checks."""
        for _ in range(STEPS):
            self.state, self.sums = self.step(self.state, self.sums, *self.data)
        jax.block_until_ready((self.state, self.sums))

    def epoch(self) -> None:
        """An epoch, as the comparison runs it."""
        state = replace(self.state, step=jnp.zeros((), jnp.int32))
        images, labels, order, key = self.data
        self.state, self.sums, _ = train_epoch(
            self.step, state, zero_sums(), images=images, labels=labels, order=order, key=key
        )
        jax.block_until_ready(self.state)


def build(
    model: str, downsample: str, batch: int, shape: tuple[int, int, int]
) -> dict[str, Callable[[], None]]:
    """The calls to time."""
    run = Run(model, downsample, batch, shape)
    x = jax.random.normal(jax.random.key(1), (batch, *shape))
    y = run.labels[:batch]
    state = Run(model, downsample, batch, shape).state
    evaluate = jax.jit(lambda variables, images: run.classifier.logits(variables, images))
    pipeline = jax.jit(_inputs, static_argnames='classifier')
    m, k, n = PRODUCT
    a, b = jnp.ones((m, k)), jnp.ones((k, n))
    big = jnp.ones(COPIED)
    product, copy = jax.jit(jnp.matmul), jax.jit(lambda x: x + 1)
    calls = {
        'ours': run.train,
        'flax': training_flax.train_step(model, downsample, x, y),
        'evaluation': lambda: jax.block_until_ready(evaluate(state.variables, run.images[:batch])),
        'input': lambda: jax.block_until_ready(pipeline(run.classifier, run.state.step, *run.data)),
        'product': lambda: jax.block_until_ready(product(a, b)),
        'copy': lambda: jax.block_until_ready(copy(big)),
    }
    if model == 'convnet1':  # an epoch of the others takes too long
        calls['steps of an epoch'] = run.epoch_of_steps
        calls['epoch'] = Run(model, downsample, batch, shape).epoch
    return calls


def build_seeds(
    downsample: str, seeds: int, batch: int, shape: tuple[int, int, int]
) -> dict[str, Callable[[], None]]:
    """One step of convnet1 for each of several seeds: one after another, and vmapped."""
    run, other = (Run('convnet1', downsample, batch, shape) for _ in range(2))
    images, labels, order, _ = other.data
    keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
    start = jax.tree.map(lambda x: jnp.stack([x] * seeds), (other.state, other.sums))
    axes = (0, 0, None, None, None, 0)
    together = jax.jit(jax.vmap(other.step, in_axes=axes), donate_argnums=(0, 1))
    carried = list(start)

    def vmapped() -> None:
        carried[:] = together(*carried, images, labels, order, keys)
        jax.block_until_ready(carried)

    def in_turn() -> None:
        for _ in range(seeds):
            run.train()

    return {'one after another': in_turn, 'vmapped': vmapped}


def _inputs(classifier: Classifier, step, images, labels, order, key):
    """The part of the step before the model: selects the batch, augments, normalises."""
    index = order[step % order.shape[0]]
    batch = augment_images(stream_key(key, Stream.AUGMENT, step), images[index], Augment())
    return classifier.normalise(batch), labels[index]


def least_work(
    model: str, downsample: str, batch: int, shape: tuple[int, int, int]
) -> dict[str, float]:
    """The work of a step with every layer computed directly, and of the two speed tests."""
    network = build_model(model, downsample=strategy_named(downsample), num_classes=10)
    work = direct_step_work(for_images(network, shape), shape, batch)
    m, k, n = PRODUCT
    return {
        'flops': work.flops,
        'bytes': work.bytes,
        'product_flops': 2 * m * k * n,
        'copy_bytes': 2 * 4 * COPIED,
    }


def first_step_seconds(
    model: str, downsample: str, batch: int, shape: tuple[int, int, int]
) -> float:
    """How long the first step takes, tracing and compilation included; run it in a new process."""
    run = Run(model, downsample, batch, shape)
    start = time.perf_counter()
    run.train()
    return time.perf_counter() - start
