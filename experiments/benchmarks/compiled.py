"""The programs of `experiments.check_compiler`, computed in a process with the flags to check.

A program's name is its kind and its parts: 'fault pattern', 'strategy max_blur', 'model resnet18',
'step convnet1 max adam 128'. Its result is outputs, gradients, and the state after a step.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from cnn_jax.data import load
from cnn_jax.layers import Downsample
from cnn_jax.models import Classifier, build_model, for_images, model_names
from cnn_jax.runs.command_line import load_config
from cnn_jax.runs.config import Cell, cells_of
from cnn_jax.runs.setup import make_model
from cnn_jax.strategies import Max, strategy_named, strategy_names
from cnn_jax.training import (
    classification,
    create_state,
    make_optimizer,
    make_train_step,
    strategy_paths,
    zero_sums,
)

MAP, IMAGES = (8, 14, 14, 32), (8, 32, 32, 3)  # of a strategy, and of a model
_CONFIGS = Path(__file__).parents[2] / 'configs' / 'fashion_mnist'
Tree = dict[str, Any]  # arrays by kind: output, gradient, ...
Groups = dict[str, list[np.ndarray]]
Run = Callable[[], Tree]
Build = Callable[[type], Run]  # computing in that dtype


@lru_cache(maxsize=1)
def steps() -> Mapping[str, Cell]:
    """The training steps of all recipes in configs/fashion_mnist, by name."""
    return {
        f'step {cell.model} {name} {_name(cell.optimizer)} {cell.batch_size}': cell
        for path in sorted(_CONFIGS.glob('*.py'))
        for (name, _), cell in cells_of(load_config(path)).items()
    }


def _name(optimizer: object) -> str:
    return getattr(optimizer, 'name', type(optimizer).__name__)


def programs() -> list[str]:
    """The names of all programs."""
    return [
        'fault pattern',
        *(f'strategy {name}' for name in strategy_names()),
        *steps(),
        *(f'model {name}' for name in model_names()),
    ]


def compute(program: str, *, double: bool) -> Groups:
    """Outputs and gradients of a program.

    `double`: in float64, where the program has it. Variables and inputs are the same in both.
    """
    kinds = {'fault': _fault, 'strategy': _strategy, 'model': _model, 'step': _step}
    kind, _, what = program.partition(' ')
    build = kinds[kind](what)  # draws variables, in float32
    try:
        jax.config.update('jax_enable_x64', double)
        found = jax.tree.map(np.asarray, build(jnp.float64 if double else jnp.float32)())
    finally:
        jax.config.update('jax_enable_x64', False)
    return {
        name: [leaf.astype(np.float32) for leaf in jax.tree.leaves(tree)]
        for name, tree in found.items()
    }


def _to(dtype: type, tree):
    """New arrays, floating ones in `dtype`."""
    return jax.tree.map(
        lambda leaf: jnp.array(
            leaf, dtype if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf.dtype, copy=True
        ),
        tree,
    )


def _draw(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _fault(what: str) -> Build:
    x = _draw((32, 16, 16))
    pattern = jax.jit(lambda x: jnp.sum((x @ jnp.full_like(x, 1.7)) * x, -1))
    return lambda dtype: lambda: {'output': pattern(_to(dtype, x))}


def _strategy(name: str) -> Build:
    layer = Downsample(strategy_named(name))
    x = _draw(MAP)
    variables = layer.init(jax.random.key(0), x, train=False)
    weights = _draw((*MAP[:-1], 4 * MAP[-1]))

    @jax.jit
    def both(variables, x, weights):
        def loss(params, x):
            y = cast(jax.Array, layer.apply({**variables, 'params': params}, x, train=False))
            return jnp.sum(y * weights[tuple(map(slice, y.shape))]), y

        (_, y), gradients = jax.value_and_grad(loss, (0, 1), has_aux=True)(
            variables.get('params', {}), x
        )
        return {'output': y, 'gradient': gradients}

    return lambda dtype: lambda: both(*_to(dtype, (variables, x, weights)))


def _model(name: str) -> Build:
    built = for_images(build_model(name, downsample=Max(), num_classes=10), IMAGES[1:])
    off: dict[str, Any] = {k: 0.0 for k in ('dropout', 'drop_path') if k in vars(built)}
    built = built.clone(**off)
    x, weights = _draw(IMAGES), _draw((len(_draw(IMAGES)), 10))
    variables = jax.jit(lambda x: built.init(jax.random.key(0), x, train=False))(x)

    def build(dtype: type) -> Run:
        model = built.clone(dtype=dtype)

        @jax.jit
        def both(variables, x):
            def loss(params):
                y, new = model.apply(
                    {**variables, 'params': params}, x, train=True, mutable=['batch_stats']
                )
                return jnp.sum(y * weights), (y, new)

            (_, (y, new)), gradients = jax.value_and_grad(loss, has_aux=True)(variables['params'])
            return {'output': y, 'statistics': new, 'gradient': gradients}

        return lambda: both(*_to(dtype, (variables, x)))

    return build


def _step(what: str) -> Build:
    cell = steps()[f'step {what}']
    data = load('shapes_tiny', log=lambda line: None)
    images, labels, shape = data.train.images, data.train.labels, data.image_shape
    model = make_model(cell, shape, num_classes=10)
    plan = {'epochs': cell.epochs, 'steps_per_epoch': 10}
    optimizer = make_optimizer(cell.optimizer, **plan, strategies=strategy_paths(model, shape))
    first = Classifier(model, (0.3,), (0.3,))
    key = jax.random.key(0)
    state = create_state(first, optimizer, key, shape)
    order = np.arange(cell.batch_size)[None]

    def build(dtype: type) -> Run:
        classifier = replace(first, model=first.model.clone(dtype=dtype))
        objective = classification(label_smoothing=cell.label_smoothing)
        options = {'augment': cell.augment, 'objective': objective}
        step = make_train_step(classifier, optimizer, **options)

        def run() -> Tree:
            before = _to(dtype, (state, zero_sums()))  # copies, since the step donates them
            logits = jax.jit(classifier.logits)(_to(dtype, state.variables), images[:250])
            after, sums = step(*before, images, labels, order, key)
            return {
                'logits': logits,
                'loss': sums.loss,
                'statistics': after.batch_stats,
                'parameters': after.params,
                **_moments(after.opt_state),
            }

        return run

    return build


def _moments(opt_state) -> Tree:
    """The optimiser's arrays by kind: means of gradients separate from means of their squares."""
    found: dict[str, list] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(opt_state):
        names = [key.name for key in path if isinstance(key, jax.tree_util.GetAttrKey)]
        found.setdefault(names[-1] if names else 'other', []).append(leaf)
    return found


def error(found: Groups, right: Groups) -> float:
    """The largest relative error of an array: |found - right| / |right|, in Euclidean norms.

    An array much smaller than others of its group is measured relative to a thousandth of their
    largest root mean square, so that arrays that are zero up to rounding do not count; parameters
    are measured relative to all of it, because Adam's first step moves each by the sign of its
    gradient. Infinity where the two differ in which elements are finite.

    >>> error({'output': [np.array([1.0, 2.0])]}, {'output': [np.array([1.0, 0.0])]})
    2.0
    """
    worst = 0.0
    for name, arrays in right.items():
        spread = max((_rms(array) for array in arrays), default=0.0)
        least = spread * (1 if name == 'parameters' else 1e-3)
        for a, b in zip(found[name], arrays, strict=True):
            a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
            finite = np.isfinite(b)
            if not np.array_equal(np.isfinite(a), finite):
                return float('inf')
            size = max(_rms(b), least)
            worst = max(worst, _rms((a - b)[finite]) / size if size else 0.0)
    return worst


def _rms(array: np.ndarray) -> float:
    values = np.asarray(array, np.float64)
    values = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(values**2))) if values.size else 0.0
