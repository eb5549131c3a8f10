"""What defines a run: frozen dataclasses. All defaults of an experiment are here.

Values are plain, except for the user's own classes and functions, which are recorded by their
file and source (`cnn_jax.brought`).
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, TypeVar

import numpy as np
import tyro

from cnn_jax.brought import BROUGHT
from cnn_jax.data.targets import TASKS
from cnn_jax.errors import BadInput, is_number, require, require_int, unknown_name
from cnn_jax.measures import CHEAP, choices
from cnn_jax.models import Output, require_output
from cnn_jax.runs.judging import Evaluation, Own
from cnn_jax.strategies import Strategy
from cnn_jax.training import Optimizer
from cnn_jax.training.augment import Augment

CellKey = tuple[str, int]  # strategy name, seed
T = TypeVar('T')

# The command line chooses strategies by name (`--strategies`), which this field must not shadow.
_NotAnOption = Annotated[T, tyro.conf.Suppress, tyro.conf.arg(name='strategy-table')]
_Name = tyro.conf.arg(constructor=str, metavar='STR')  # on the command line: only a name
PRECISIONS = ('float32', 'bfloat16')


def require_text(name: str, value: object) -> None:
    """BadInput unless it is text that a file can hold."""
    good = isinstance(value, str) and value == value.encode(errors='replace').decode()
    require(good, f'{name} must be text that UTF-8 can hold; got {value!r}.')


def _require_line(name: str, value: str) -> None:
    """BadInput for text that reports, terminals and printed commands could not show in a line."""
    require_text(name, value)
    wrong = [c for c in value if unicodedata.category(c) in ('Cc', 'Zl', 'Zp')]
    require(
        not wrong,
        f'{name} must be one line without control characters, such as a tab; got {value!r}: '
        f'take out {", ".join(map(repr, dict.fromkeys(wrong)))}.',
    )


_OUTPUTS: Mapping[str, Output] = {
    'classification': 'classes',
    'segmentation': 'mask',
    'detection': 'boxes',
    'keypoints': 'points',
}
PARTS = {'optimizer': Optimizer, 'augment': Augment, 'evaluation': Evaluation}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that the cells of a comparison share: model, data, training and evaluation.

    Attributes:
        task: 'classification', 'segmentation', 'detection' or 'keypoints': that of the data set.
        model: The architecture, in its form for small images if they have up to 64 pixels. Or your
            own class or function: `model(downsample=..., num_classes=...)` returns a Flax
            module, which is called with images and `train=`.
        data: The data set: 'fashion_mnist', 'shapes', a TFDS set that is prepared on disk, or a
            folder with one folder of images per class. Or a function that returns a `Dataset`.
        image_size: (height, width) to which every image is scaled and cropped; None leaves them
            unchanged, which needs a set whose images all have one size.
        margin: Pixels at each side of an image that the network does not see, so that a shift by up
            to that many brings in real content instead of a border; 0 shows everything. If not 0,
            at least evaluation.max_shift, so that no border is ever seen.
        validation_fraction: The share of the training split held out of training, drawn by seed,
            on which the learning curve is then measured; 0 trains on all of it and measures the
            curve on the test split. Final results are always on the test split.
        epochs: Passes over the training split.
        batch_size: Images in one step.
        label_smoothing: Probability spread evenly over all classes; of classification.
        precision: What the network computes in, 'float32' or 'bfloat16'; parameters, batch-norm
            statistics, logits and the loss are float32 in both. On a CPU bfloat16 gains nothing.
        optimizer: An `Optimizer`; or `optimizer(epochs=..., steps_per_epoch=...)` that returns an
            Optax transformation.
        augment: An `Augment`; or `augment(key, images)`, in jit, uint8 images to uint8 images.
        evaluation: How the trained model is evaluated.
        cores: CPU cores that one cell uses. It belongs to the recipe because the rounding of sums
            depends on the number of threads.
    """

    task: str = 'classification'
    model: Annotated[str | Own, _Name] = 'convnet1'
    data: Annotated[str | Own, _Name] = 'fashion_mnist'
    image_size: tuple[int, int] | None = None
    margin: int = 0
    validation_fraction: float = 0.0
    epochs: int = 3
    batch_size: int = 128
    label_smoothing: float = 0.0
    precision: str = 'float32'
    optimizer: Annotated[Optimizer | Own, tyro.conf.AvoidSubcommands] = field(
        default_factory=Optimizer
    )
    augment: Annotated[Augment | Own, tyro.conf.AvoidSubcommands] = field(default_factory=Augment)
    evaluation: Evaluation = field(default_factory=Evaluation)
    cores: int = 1

    def __post_init__(self):
        if self.task not in TASKS:
            raise unknown_name('task', str(self.task), TASKS)
        if not callable(self.model):
            require_output(self.model, _OUTPUTS[self.task])
        if not callable(self.data):
            require(
                isinstance(self.data, str) and self.data != '',
                f'data must be a name, a folder, or a function that returns a Dataset; '
                f'got {type(self.data).__name__} {str(self.data)[:40]!r}.',
            )
            require_text('data', self.data)
        size = self.image_size
        require(
            size is None or (isinstance(size, tuple) and len(size) == 2),
            f'image_size must be None or (height, width); got {size!r}.',
        )
        for side in size or ():
            require_int('image_size', side, 1)
        require_int('margin', self.margin, 0)
        require_int('epochs', self.epochs, 1)
        require_int('batch_size', self.batch_size, 1)
        require_int('cores', self.cores, 1)
        if self.precision not in PRECISIONS:
            raise unknown_name('precision', str(self.precision), PRECISIONS)
        for name in ('validation_fraction', 'label_smoothing'):
            value = vars(self)[name]
            require(
                is_number(value) and 0 <= value < 1,
                f'{name} must be at least 0 and below 1; got {value!r}.',
            )
            object.__setattr__(self, name, float(value))  # 0 and 0.0 are one config
        for name, kind in PARTS.items():
            value = vars(self)[name]
            own = callable(value) and name != 'evaluation'
            words = f'{kind.__name__}(...)' + ('' if name == 'evaluation' else ' or a function')
            require(own or isinstance(value, kind), f'{name} must be {words}; got {value!r}.')
        _check_task(self)
        reach = self.evaluation.max_shift
        require(
            self.margin == 0 or self.margin >= reach,
            f'margin must be 0 or at least evaluation.max_shift, which is {reach}: images have no '
            f'room for the crop; got {self.margin}.',
        )


def _check_task(recipe: Recipe) -> None:
    """Raises BadInput for what the task has not; fills in its cheap measures if none is chosen."""
    task, evaluation = recipe.task, recipe.evaluation
    if evaluation.measures is None:
        evaluation = replace(evaluation, measures=CHEAP[task])
        object.__setattr__(recipe, 'evaluation', evaluation)
    wrong = [name for name in evaluation.measures or () if name not in choices(task)]
    require(
        not wrong,
        f'evaluation.measures: {", ".join(wrong)}: not for {task}, which has '
        f'{", ".join(choices(task))}.',
    )
    if task == 'classification':
        return
    changed = {
        'label_smoothing': recipe.label_smoothing != 0,
        'augment': recipe.augment != Augment(),
        'margin': recipe.margin != 0,
    }
    for name, given in changed.items():
        require(not given, f'{name} is for classification: leave it out for {task}.')


@dataclass(frozen=True, kw_only=True)
class Cell(Recipe):
    """One training run: a recipe, a strategy and a seed."""

    strategy: Strategy
    seed: int


@dataclass(frozen=True, kw_only=True)
class Comparison(Recipe):
    """A grid of cells, strategies x seeds, the same seeds for all strategies (paired).

    Attributes:
        title: The headline of the report; by default a question that names model and data.
        strategies: The name in the report -> the strategy.
        baseline: The strategy with which the others are compared.
        learning_rates: Strategy -> its own learning rate, instead of the optimiser's.
        seeds: One training run each, per strategy.
        same_within: Differences below this share are called the same where the seeds show it.
        looks: The planned numbers of seeds after which to look, if seeds are added until everything
            is decided: see `cnn_jax.reports.verdicts`. Empty: one look, at the end.
    """

    title: str = ''
    strategies: _NotAnOption[Mapping[str, Strategy]]
    baseline: str = 'max'
    learning_rates: Annotated[Mapping[str, float], tyro.conf.Suppress] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7)
    same_within: float = 0.005
    looks: Annotated[tuple[int, ...], tyro.conf.Suppress] = ()

    def __post_init__(self):
        super().__post_init__()
        _require_line('title', self.title)
        require(
            isinstance(self.strategies, Mapping) and len(self.strategies) > 0,
            f'strategies must be a dict of at least one name and strategy; got '
            f'{self.strategies!r}.',
        )
        for name, strategy in self.strategies.items():
            _require_line('the name of a strategy', name)
            require(name.strip() != '', f'the name of a strategy must not be blank; got {name!r}.')
            _check_strategy(name, strategy)
        if self.baseline not in self.strategies:
            raise unknown_name('baseline', str(self.baseline), self.strategies)
        _check_rates(self)
        require(
            isinstance(self.seeds, tuple) and len(self.seeds) > 0,
            f'seeds must be a tuple of at least one number; got {self.seeds!r}.',
        )
        for seed in self.seeds:
            require_int('seeds', seed, 0)
            require(seed < 2**32, f'seeds must be below 2**32; got {seed}.')
        require(len(set(self.seeds)) == len(self.seeds), f'seeds must differ; got {self.seeds}.')
        require(
            is_number(self.same_within) and 0 < self.same_within < 1,
            f'same_within must be a share above 0 and below 1; got {self.same_within!r}.',
        )
        object.__setattr__(self, 'same_within', float(self.same_within))
        looks = self.looks
        require(
            isinstance(looks, tuple)
            and all(type(look) is int and look >= 2 for look in looks)
            and list(looks) == sorted(set(looks)),
            f'looks must be a tuple of rising numbers of seeds, 2 or more; got {looks!r}.',
        )


def is_rate(value: object) -> bool:
    """Whether a network can train at that learning rate: above 0 and finite in float32, too.

    >>> is_rate(0.1), is_rate(0), is_rate(1e300), is_rate(1e-300)
    (True, False, False, False)
    """
    limits = np.finfo(np.float32)
    return is_number(value) and float(limits.tiny) <= value <= float(limits.max)


def _check_rates(comparison: Comparison) -> None:
    rates = comparison.learning_rates
    require(
        isinstance(rates, Mapping) and all(map(is_rate, rates.values())),
        f'learning_rates must be a dict of strategy and a number above 0 that float32 can hold; '
        f'got {rates!r}.',
    )
    for name in rates:
        if name not in comparison.strategies:
            raise unknown_name('strategy in learning_rates', str(name), comparison.strategies)
    require(
        not rates or isinstance(comparison.optimizer, Optimizer),
        'learning_rates needs an Optimizer(...): a function of your own has its own rate.',
    )


def _check_strategy(name: str, strategy: object) -> None:
    """Raises BadInput unless it is a strategy that can be saved and rebuilt in other processes."""
    require(
        isinstance(strategy, Strategy),
        f'strategies must hold strategies, such as Max(); got {name}: {strategy!r}.',
    )
    kind = type(strategy)
    parameters = vars(kind).get('__dataclass_params__')
    require(
        parameters is not None and parameters.frozen,
        f'{kind.__name__} must be a frozen dataclass: put @dataclass(frozen=True) above it.',
    )
    require(
        isinstance(getattr(kind, 'name', None), str),
        f"{kind.__name__} needs a name: name: ClassVar[str] = '...'.",
    )
    taken = {'name', BROUGHT} & vars(strategy).keys()
    require(not taken, f'{kind.__name__}: fields may not be called {", ".join(taken)}.')
    try:
        hash(strategy)
    except TypeError as error:
        raise BadInput(f'{kind.__name__} must hold values that can be hashed: {error}.') from None
    stride = getattr(strategy, 'stride', None)
    require(
        isinstance(stride, int) and stride >= 1,
        f'{kind.__name__} needs a stride, an int of at least 1, such as the field '
        f'stride: int = 2; got {stride!r}.',
    )


def cells_of(comparison: Comparison) -> dict[CellKey, Cell]:
    """The cells of the grid by (strategy name, seed), seed by seed.

    >>> from cnn_jax.strategies import Avg, Max
    >>> list(cells_of(Comparison(strategies={'max': Max(), 'avg': Avg()}, seeds=(0, 1))))
    [('max', 0), ('avg', 0), ('max', 1), ('avg', 1)]
    """
    recipe = {f.name: vars(comparison)[f.name] for f in fields(Recipe)}

    def cell(name: str, seed: int) -> Cell:
        made = Cell(**recipe, strategy=comparison.strategies[name], seed=seed)
        rate = comparison.learning_rates.get(name)
        if rate is None or not isinstance(made.optimizer, Optimizer):
            return made
        return replace(made, optimizer=replace(made.optimizer, learning_rate=rate))

    return {
        (name, seed): cell(name, seed)
        for seed in comparison.seeds
        for name in comparison.strategies
    }
