"""What a study is: comparisons by name, and whose learning rates are chosen first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from cnn_jax.compact import TUNING_SEED
from cnn_jax.errors import is_number, require, unknown_name
from cnn_jax.runs.config import Comparison, is_rate, require_text
from cnn_jax.training import Optimizer

_LONGEST_NAME = 100  # bytes; disks take 255, and reports put more before and after it


@dataclass(frozen=True, kw_only=True)
class Study:
    """Comparisons by name, run seed by seed, so that a stop at any time leaves a valid table.

    Attributes:
        title: The headline of the report.
        comparisons: Name -> comparison.
        tune: Comparison -> factors of its recipe's learning rate. Every strategy of it gets the
            factor that is best on a validation split of a tenth, with a seed that is used for
            nothing else. Where a comparison is not in it, its strategies have the recipe's rate, or
            those of its own `learning_rates`.
    """

    title: str
    comparisons: Mapping[str, Comparison]
    tune: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self):
        require_text('title', self.title)
        require(
            isinstance(self.comparisons, Mapping) and len(self.comparisons) > 0,
            'comparisons must be a dict of at least one name and Comparison.',
        )
        _check_names(self.comparisons)
        for name, comparison in self.comparisons.items():
            require(
                isinstance(comparison, Comparison),
                f'comparisons must hold Comparison(...); got {name}: {comparison!r}.',
            )
            require(
                TUNING_SEED not in comparison.seeds,
                f'{name}: seed {TUNING_SEED} is the one that learning rates are chosen with.',
            )
        require(
            isinstance(self.tune, Mapping),
            f'tune must be a dict of names of comparisons and tuples of factors, or left out; got '
            f'{self.tune!r}.',
        )
        for name, factors in self.tune.items():
            if name not in self.comparisons:
                raise unknown_name('comparison in tune', str(name), self.comparisons)
            _check_tuned(name, self.comparisons[name], self.comparisons)
            _check_factors(name, factors, self.comparisons[name])


def chosen(study: Study, names: tuple[str, ...] | None) -> Study:
    """The study with only these of its comparisons; BadInput for a name that it lacks."""
    if names is None:
        return study
    for name in names:
        if name not in study.comparisons:
            raise unknown_name('comparison', name, study.comparisons)
    return replace(
        study,
        comparisons={name: study.comparisons[name] for name in names},
        tune={name: factors for name, factors in study.tune.items() if name in names},
    )


def _check_names(names: Iterable[object]) -> None:
    """BadInput unless each can name a folder of its own on any disk."""
    known: dict[str, str] = {}
    for name in names:
        good = isinstance(name, str) and name.replace('_', '').replace('-', '').isalnum()
        require(good, f'the name of a comparison must be letters, digits, - and _; got {name!r}.')
        assert isinstance(name, str)
        size = len(name.encode())
        require(
            size <= _LONGEST_NAME,
            f'the name of a comparison must have at most {_LONGEST_NAME} bytes, as it names '
            f'folders; got {size}: {name[:40]!r}...',
        )
        same = known.setdefault(name.casefold(), name)
        require(
            same == name,
            f'{same!r} and {name!r} differ by case alone, and some disks take them for one folder: '
            f'rename one.',
        )


def _check_tuned(name: str, comparison: Comparison, others: Iterable[str]) -> None:
    """BadInput where no learning rates can be chosen for the comparison."""
    rates_of = f'{name}_rate_'.casefold()
    taken = [other for other in others if other.casefold().startswith(rates_of)]
    require(
        not taken,
        f'{taken[:1]} is what the runs that choose the learning rates of {name} may be '
        f'called: give it another name.',
    )
    require(
        isinstance(comparison.optimizer, Optimizer),
        f'{name} has an optimiser of your own, whose rate cannot be tuned here.',
    )
    require(
        not comparison.learning_rates,
        f'{name} has learning_rates of its own ({", ".join(comparison.learning_rates)}), which '
        f'tuning would replace: leave out either them or its entry in tune.',
    )


def _check_factors(name: str, factors: object, comparison: Comparison) -> None:
    """BadInput unless each factor gives a rate that can be trained with and a folder of its own."""
    require(
        isinstance(factors, tuple)
        and len(factors) > 0
        and all(is_number(f) and f > 0 for f in factors),
        f'tune must hold tuples of factors above 0; got {name}: {factors!r}.',
    )
    assert isinstance(factors, tuple) and isinstance(comparison.optimizer, Optimizer)
    known: dict[str, float] = {}
    for factor in factors:
        rate = comparison.optimizer.learning_rate * factor
        require(
            is_rate(rate),
            f'tune: the factor {factor!r} gives {name} a learning rate of {rate:g}, which '
            f'float32 cannot hold: give factors near 1, such as 0.5 and 2.',
        )
        folder = rate_name(name, factor)
        require(
            folder not in known,
            f'tune: the factors {known.get(folder)!r} and {factor!r} of {name} are both '
            f'{factor:g} in the name of a folder: leave one out.',
        )
        known[folder] = factor


def rate_name(name: str, factor: int | float) -> str:
    """The name of the comparison that tries the factor.

    >>> rate_name('main', 0.5)
    'main_rate_0.5'
    """
    return f'{name}_rate_{factor:g}'
