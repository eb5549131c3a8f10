"""Optimiser and learning-rate schedule from plain values, using Optax."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import jax
import optax
from optax import contrib

from cnn_jax.errors import BadInput, is_number, one_line, require, unknown_name
from cnn_jax.training.kernels import Path, convolutions, kernels

OPTIMIZERS = ('sgd', 'momentum', 'nesterov', 'adam', 'adamw', 'muon')
SCHEDULES = ('constant', 'step', 'warmup_cosine')


@dataclass(frozen=True)
class Optimizer:
    """How the weights are updated.

    Attributes:
        name: 'sgd', 'momentum', 'nesterov', 'adam', 'adamw' or 'muon'. Muon (Jordan et al. 2024)
            maps the momentum of each convolution kernel of the network, as a matrix of inputs by
            features, to the nearest orthogonal matrix, scaled to the size of Adam's updates (Liu et
            al. 2025, arXiv:2502.16982, equation 4); Adam, with Nesterov's momentum, updates the
            rest, a strategy's parameters included.
        learning_rate: The constant, or the largest, learning rate.
        momentum: Used by 'momentum', 'nesterov' and 'muon'.
        weight_decay: Decoupled for 'adamw' and 'muon', added to the gradient (L2) for the others.
            It applies to the network's convolution and dense kernels; biases, the scales
            of norms and the parameters of a strategy do not decay, whatever their shape.
        schedule: 'constant'; 'step' multiplies by step_factor after each of step_epochs;
            'warmup_cosine' rises linearly over warmup_epochs, then falls to 0 along half a cosine.
        warmup_epochs: Used by 'warmup_cosine'.
        step_epochs: Used by 'step'.
        step_factor: Used by 'step'.
        decay_strategies: Whether every parameter of a strategy decays too.
    """

    name: str = 'adam'
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = 'constant'
    warmup_epochs: float = 0.0
    step_epochs: tuple[float, ...] = ()
    step_factor: float = 0.1
    decay_strategies: bool = False

    def __post_init__(self):
        if self.name not in OPTIMIZERS:
            raise unknown_name('optimizer', str(self.name), OPTIMIZERS)
        if self.schedule not in SCHEDULES:
            raise unknown_name('schedule', str(self.schedule), SCHEDULES)
        for name in ('learning_rate', 'weight_decay', 'warmup_epochs', 'momentum', 'step_factor'):
            value = vars(self)[name]
            require(
                is_number(value) and value >= 0,
                f'optimizer.{name} must be a number of at least 0; got {value!r}.',
            )
            object.__setattr__(self, name, float(value))  # 1 and 1.0 are one config
        epochs = self.step_epochs
        require(
            isinstance(epochs, tuple | list)
            and all(is_number(e) and e > 0 for e in epochs)
            and len(set(epochs)) == len(epochs),
            f'optimizer.step_epochs must be different numbers above 0; got {epochs!r}.',
        )
        object.__setattr__(self, 'step_epochs', tuple(float(e) for e in epochs))
        require(
            isinstance(self.decay_strategies, bool),
            f'optimizer.decay_strategies must be True or False; got {self.decay_strategies!r}.',
        )
        require(self.learning_rate > 0, 'optimizer.learning_rate must be above 0; got 0.')
        require(self.momentum < 1, f'optimizer.momentum must be below 1; got {self.momentum}.')


OwnOptimizer = Callable[..., optax.GradientTransformation]  # (epochs=, steps_per_epoch=)


def make_schedule(optimizer: Optimizer, *, epochs: int, steps_per_epoch: int) -> optax.Schedule:
    """Step -> learning rate.

    >>> schedule = make_schedule(Optimizer(learning_rate=0.1), epochs=2, steps_per_epoch=10)
    >>> round(float(schedule(7)), 3)
    0.1
    """
    peak = optimizer.learning_rate
    if optimizer.schedule == 'constant':
        return optax.constant_schedule(peak)
    if optimizer.schedule == 'step':
        return optax.piecewise_constant_schedule(
            peak, {round(e * steps_per_epoch): optimizer.step_factor for e in optimizer.step_epochs}
        )
    warmup = round(optimizer.warmup_epochs * steps_per_epoch)
    require(
        warmup < epochs * steps_per_epoch,
        f'optimizer.warmup_epochs must be below epochs = {epochs}; got {optimizer.warmup_epochs}.',
    )
    return optax.warmup_cosine_decay_schedule(
        0.0 if warmup else peak, peak, warmup, epochs * steps_per_epoch
    )


def make_optimizer(
    optimizer: Optimizer | OwnOptimizer,
    *,
    epochs: int,
    steps_per_epoch: int,
    strategies: Collection[Path] | None = None,
) -> optax.GradientTransformation:
    """The Optax transformation that `optimizer` describes or, if it is a function, returns.

    Which parameters decay and which Muon updates depends on their paths; `strategies` are the paths
    that `strategy_paths` finds in the model. Raises BadInput where they are needed and not given.

    >>> params = {'kernel': jax.numpy.ones((2, 2))}
    >>> tx = make_optimizer(Optimizer(name='sgd', learning_rate=0.5), epochs=1, steps_per_epoch=1)
    >>> updates, _ = tx.update(params, tx.init(params), params)
    >>> float(updates['kernel'][0, 0])
    -0.5
    """
    if not isinstance(optimizer, Optimizer):
        name = getattr(optimizer, '__name__', str(optimizer))
        try:
            made = optimizer(epochs=epochs, steps_per_epoch=steps_per_epoch)
        except Exception as error:
            said = one_line(error)
            raise BadInput(f'{name}(epochs=..., steps_per_epoch=...) raised {said}') from None
        require(
            isinstance(made, optax.GradientTransformation),
            f'{name} must return an Optax transformation; got {type(made).__name__}.',
        )
        return made
    require(
        strategies is not None or not (optimizer.weight_decay or optimizer.name == 'muon'),
        'weight decay and Muon leave out the parameters of strategies: '
        'give strategies=strategy_paths(model, image_shape).',
    )
    strategies = strategies or ()
    rate = make_schedule(optimizer, epochs=epochs, steps_per_epoch=steps_per_epoch)
    decayed = partial(kernels, strategies=strategies, with_strategies=optimizer.decay_strategies)
    if optimizer.name == 'adamw':
        return optax.adamw(rate, weight_decay=optimizer.weight_decay, mask=decayed)
    if optimizer.name == 'muon':
        ascent = contrib.muon(
            -1.0,
            beta=optimizer.momentum,
            consistent_rms=0.2,
            muon_weight_dimension_numbers=partial(_matrices, strategies=strategies),
        )
        decay = optax.add_decayed_weights(optimizer.weight_decay, decayed)
        return optax.chain(ascent, decay, optax.scale_by_learning_rate(rate))
    if optimizer.name == 'adam':
        update = optax.adam(rate)
    elif optimizer.name == 'sgd':
        update = optax.sgd(rate)
    else:
        nesterov = optimizer.name == 'nesterov'
        update = optax.sgd(rate, momentum=optimizer.momentum, nesterov=nesterov)
    if not optimizer.weight_decay:
        return update
    return optax.chain(optax.add_decayed_weights(optimizer.weight_decay, decayed), update)


def _matrices(params: optax.Params, *, strategies: Collection[Path]) -> optax.Params:
    """How Muon views each convolution kernel as a matrix; None for all other parameters."""
    matrix = contrib.MuonDimensionNumbers(reduction_axis=(0, 1, 2), output_axis=3)
    chosen = convolutions(params, strategies=strategies)
    return jax.tree.map(lambda chosen: matrix if chosen else None, chosen)
