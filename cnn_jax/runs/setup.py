"""What a cell needs before its first step: checks, and what cells share across seeds."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from cnn_jax.data import Dataset, Split, channel_statistics, load, split_validation
from cnn_jax.data.load import fit_dataset
from cnn_jax.data.resize import checked_size
from cnn_jax.errors import BadInput, one_line, require
from cnn_jax.inspection import summarize
from cnn_jax.models import (
    Classifier,
    build_model,
    count_parameters,
    for_images,
    variable_shapes,
)
from cnn_jax.runs.config import Cell, Recipe
from cnn_jax.runs.judging import Evaluation
from cnn_jax.runs.process import usable_cores
from cnn_jax.runs.tasks.task import objective_of, task_of
from cnn_jax.runs.values import config_hash
from cnn_jax.training import (
    Optimizer,
    make_optimizer,
    make_schedule,
    make_train_step,
    strategy_paths,
)
from cnn_jax.training.augment import augment_images
from cnn_jax.training.batches import steps_per_epoch
from cnn_jax.training.step import TrainStep


@dataclass(frozen=True)
class Setup:
    """What the cells of one strategy share across seeds: compiled once."""

    classifier: Classifier
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule | None  # None for a user's own optimiser
    step: TrainStep
    step_together: TrainStep  # of several seeds
    flops: int
    activation_bytes: int
    parameters: int


class _Same:
    """A cell that is compared by its plain values, whatever `==` of the user's own parts says."""

    def __init__(self, cell: Cell):
        self.cell, self.name = cell, config_hash(cell)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


@functools.lru_cache(maxsize=32)
def make_setup(
    same: _Same,
    image_shape: tuple[int, int, int],
    num_classes: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    steps_per_epoch: int,
) -> Setup:
    """The setup of a cell with seed 0; made once for all seeds of a strategy."""
    cell = same.cell
    seen = seen_shape(cell, image_shape)
    model = make_model(cell, seen, num_classes)
    classifier = Classifier(model, mean, std, cell.margin)
    plan = {'epochs': cell.epochs, 'steps_per_epoch': steps_per_epoch}
    paths = strategy_paths(model, seen)
    optimizer = make_optimizer(cell.optimizer, **plan, strategies=paths)
    step = partial(
        make_train_step,
        classifier,
        optimizer,
        augment=cell.augment,
        objective=objective_of(cell),
    )
    summary = summarize(model, seen)
    return Setup(
        classifier=classifier,
        optimizer=optimizer,
        schedule=_schedule(cell, **plan),
        step=step(),
        step_together=step(together=True),
        flops=summary.flops,
        activation_bytes=summary.memory_bytes,
        parameters=count_parameters(variable_shapes(model, seen)),
    )


def seen_shape(cell: Cell, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """(height, width, channels) of the part of an image that the network sees."""
    height, width, channels = image_shape
    inner = height - 2 * cell.margin, width - 2 * cell.margin, channels
    require(
        min(inner[:2]) > 0,
        f'margin {cell.margin} leaves nothing of images of {height}x{width} pixels.',
    )
    return inner


def splits(cell: Cell, dataset: Dataset) -> tuple[Split, Split, str]:
    """The cell's training split, the split for its learning curve, and the latter's name."""
    if not cell.validation_fraction:
        return dataset.train, dataset.test, 'test'
    fraction = cell.validation_fraction
    return *split_validation(dataset.train, fraction=fraction, seed=cell.seed), 'validation'


def setup_of(cell: Cell, dataset: Dataset) -> Setup:
    """The setup of a cell on its data: shared by all seeds that train on the same images."""
    train, _, _ = splits(cell, dataset)
    return make_setup(
        _Same(replace(cell, seed=0)),
        dataset.image_shape,
        dataset.num_classes,
        *channel_statistics(train.images),
        steps_per_epoch(len(train), cell.batch_size),
    )


def load_dataset(recipe: Recipe, *, log: Callable[[str], None]) -> Dataset:
    """The data set that a recipe names, or that the user's function returns."""
    if not callable(recipe.data):
        return load(recipe.data, image_size=recipe.image_size, task=recipe.task, log=log)
    try:
        made = recipe.data()
    except BadInput as error:
        raise BadInput(f'{recipe.data.__name__}: {error}') from None
    except Exception as error:
        raise BadInput(f'{recipe.data.__name__} raised {one_line(error)}') from None
    require(
        isinstance(made, Dataset),
        f'{recipe.data.__name__} must return a cnn_jax.data.Dataset; got {type(made).__name__}.',
    )
    size = recipe.image_size
    return fit_dataset(made, None if size is None else checked_size(size))


def make_model(cell: Cell, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    options = {'downsample': cell.strategy, 'num_classes': num_classes}
    if not callable(cell.model):
        model = build_model(cell.model, **options, dtype=jnp.dtype(cell.precision))
        return for_images(model, image_shape)
    name = cell.model.__name__
    try:
        model = cell.model(**options)
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(
            f'{name}(downsample=..., num_classes=...) raised {one_line(error)}'
        ) from None
    require(
        isinstance(model, nn.Module),
        f'{name} must return a Flax Linen module; got {type(model).__name__}.',
    )
    if cell.precision != 'float32':
        require(
            hasattr(model, 'dtype'),
            f'{name} has no field dtype, so it computes in float32: leave out precision.',
        )
        model = model.clone(dtype=jnp.dtype(cell.precision))
    return for_images(model, image_shape)


def _schedule(cell: Cell, *, epochs: int, steps_per_epoch: int) -> optax.Schedule | None:
    if not isinstance(cell.optimizer, Optimizer):
        return None
    return make_schedule(cell.optimizer, epochs=epochs, steps_per_epoch=steps_per_epoch)


def _check_own_model(
    name: str, model: nn.Module, seen: tuple[int, int, int], wanted: tuple[int, ...], task: str
) -> None:
    """Raises BadInput if the user's own model does not give the task's outputs; traces shapes."""
    try:
        hash(model)
    except TypeError:
        raise BadInput(
            f'{name}: all fields of {type(model).__name__} must have a hash, by which compiled '
            f'programs are kept: use tuples instead of lists, and numbers instead of arrays.'
        ) from None
    images = jax.ShapeDtypeStruct((2, *seen), jnp.float32)

    def both(x):
        variables = model.init(jax.random.key(0), x, train=False)
        return model.apply(variables, x, train=False)

    try:
        outputs = jax.eval_shape(both, images)
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f'{name} cannot take images {seen} with train=: {one_line(error)}') from None
    shape = getattr(outputs, 'shape', type(outputs).__name__)
    require(
        shape == (2, *wanted),
        f'{name} must give logits {(2, *wanted)} for 2 images; it gives {shape}.'
        if task == 'classification'
        else f'{name} must give {(2, *wanted)} for 2 images in {task}; it gives {shape}.',
    )


def _check_measures(cell: Cell, seen: tuple[int, int, int]) -> None:
    """Raises BadInput for measures that need images of two axes, if these are sequences."""
    flat = ('corruptions', 'rotation', 'scale', 'equivariance')
    wrong = [name for name in cell.evaluation.measures or () if name in flat]
    require(
        min(seen[:2]) > 1 or not wrong,
        f'evaluation.measures: {", ".join(wrong)}: not for images of {seen[0]}x{seen[1]} pixels, '
        'which are sequences.',
    )


def _check_own_training(cell: Cell, dataset: Dataset) -> None:
    """Raises BadInput if the user's own optimiser or augmentation does not work."""
    if callable(cell.optimizer):
        make_optimizer(cell.optimizer, epochs=cell.epochs, steps_per_epoch=1)
    if callable(cell.augment):
        images = jax.ShapeDtypeStruct((2, *dataset.image_shape), jnp.uint8)
        name, key = cell.augment.__name__, jax.random.key(0)
        try:
            jax.eval_shape(lambda x: augment_images(key, x, cell.augment), images)
        except BadInput:
            raise
        except Exception as error:
            raise BadInput(f'{name}(key, images) raised {one_line(error)}') from None


def training_images(cell: Cell, dataset: Dataset) -> int:
    """How many images the cell trains on; BadInput where a validation split would be empty."""
    total = len(dataset.train.labels)
    held_out = round(cell.validation_fraction * total)
    require(
        (held_out > 0) == (cell.validation_fraction > 0) and held_out < total,
        f'validation_fraction {cell.validation_fraction} of {total} images leaves {held_out} for '
        f'validation and {total - held_out} for training: both need at least one.',
    )
    return total - held_out


def last_step(cell: Cell, dataset: Dataset) -> int:
    """How many steps the cell's training takes."""
    return cell.epochs * steps_per_epoch(training_images(cell, dataset), cell.batch_size)


def check_cell(cell: Cell, dataset: Dataset) -> None:
    """Raises BadInput where the cell cannot run on the data; computes and writes nothing."""
    require(
        cell.cores <= len(usable_cores()),
        f'cores must be at most the {len(usable_cores())} that this process may use; '
        f'got {cell.cores}.',
    )
    seen = seen_shape(cell, dataset.image_shape)
    model = make_model(cell, seen, dataset.num_classes)
    require(
        dataset.task == cell.task,
        f'{dataset.name} is for {dataset.task}, and the comparison for {cell.task}: give '
        f'task={dataset.task!r}, or other data.',
    )
    if callable(cell.model):
        wanted = task_of(cell).output_shape(seen, dataset.num_classes)
        _check_own_model(cell.model.__name__, model, seen, wanted, cell.task)
    else:
        variable_shapes(model, seen)
    _check_own_training(cell, dataset)
    kept = training_images(cell, dataset)
    steps = steps_per_epoch(kept, cell.batch_size)
    require(
        cell.batch_size <= kept,
        f'batch_size {cell.batch_size} is larger than the {kept} training images of '
        f'{dataset.name}: use a smaller one.',
    )
    require(
        last_step(cell, dataset) < 2**31,
        f'{cell.epochs} epochs of {steps} steps are more than 2**31 - 1 steps, '
        f'as far as steps are counted.',
    )
    _schedule(cell, epochs=cell.epochs, steps_per_epoch=steps)
    _check_measures(cell, seen)
    side = min((n for n in dataset.image_shape[:2] if n > 1), default=1)
    for name, reach in (
        ('evaluation.max_shift', cell.evaluation.max_shift),
        ('augment.crop', getattr(cell.augment, 'crop', 0)),
        ('augment.cutout', getattr(cell.augment, 'cutout', 0)),
    ):
        require(reach < side, f'{name} {reach} must be below the image side {side}.')
    most = max(len(dataset.test.labels), Evaluation().batch_size)
    require(
        cell.evaluation.batch_size <= most,
        f'evaluation.batch_size must be at most {most}, which is enough for the '
        f'{len(dataset.test.labels)} test images; got {cell.evaluation.batch_size}.',
    )
