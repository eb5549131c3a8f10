"""What every experiment's command line shares: a config file, overrides, and how errors end."""

import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import tyro

from cnn_jax.brought import load_file
from cnn_jax.errors import BadInput, one_line, require, unknown_name
from cnn_jax.exits import BAD_INPUT, parse_options
from cnn_jax.models import model_names
from cnn_jax.runs.config import Comparison
from cnn_jax.runs.judging import Evaluation
from cnn_jax.runs.study_config import Study
from cnn_jax.runs.until_decided import FIRST_LOOK, MOST_SEEDS, STEP, planned_looks, with_looks
from cnn_jax.runs.values import comparison_from_dict, config_to_dict
from cnn_jax.strategies import strategy_named, strategy_names
from cnn_jax.training import Optimizer
from cnn_jax.training.augment import Augment

ConfigT = TypeVar('ConfigT', Comparison, Study)


def load_config(path: Path) -> Comparison:
    """The `config` that a Python file defines; BadInput says what is wrong with the file.

    Modules beside the file can be imported by it, and by the processes that train.
    """
    return _plain(path, _config_of(path, Comparison))


def load_study(path: Path) -> Study:
    """The `config` of a file that defines a study; BadInput as by `load_config`."""
    return _config_of(path, Study)


def _config_of(path: Path, kind: type[ConfigT]) -> ConfigT:
    try:
        found = path.is_file()
    except (OSError, ValueError) as error:  # a name that the system cannot hold
        raise BadInput(f'no config file {str(path)[:200]!r}: {one_line(error)}.') from None
    require(found, f'no config file {path}: see the folder configs/ for some.')
    try:
        config = vars(load_file(path)).get('config')
    except BadInput as error:
        raise BadInput(f'{path}{_line(path, error)}: {error}') from None
    except TypeError as error:
        raise _unknown_field(path, error) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a config may raise GeneratorExit and SystemExit, too
        raise BadInput(f'{path}{_line(path, error)}: {one_line(error)}') from None
    defined = 'none' if config is None else f'a {type(config).__name__}'
    require(
        isinstance(config, kind),
        f'{path} must define `config = {kind.__name__}(...)`; it defines {defined}.',
    )
    assert isinstance(config, kind)
    return config


def _plain(path: Path, config: Comparison) -> Comparison:
    """The config, once it is known that files can hold it."""
    try:
        same = comparison_from_dict(config_to_dict(config))
    except Exception as error:
        raise BadInput(f'{path}: the config must hold plain values: {one_line(error)}') from None
    differing = [f.name for f in fields(config) if vars(same)[f.name] != vars(config)[f.name]]
    require(
        not differing,
        f'{path}: {", ".join(differing)} must hold plain values, such as JSON can hold: numbers, '
        f'text, tuples.',
    )
    return config


def _line(path: Path, error: BaseException) -> str:
    """Where in the file the error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path.resolve())]
    return f', line {lines[-1]}' if lines else ''


def _unknown_field(path: Path, error: TypeError) -> BadInput:
    match = re.fullmatch(
        r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'.*", str(error)
    )
    where = f'{path}{_line(path, error)}'
    if match is None:
        return BadInput(f'{where}: {one_line(error)}')
    known = {cls.__name__: cls for cls in (Study, Comparison, Optimizer, Augment, Evaluation)}
    cls = known.get(match[1])
    if cls is None:
        return BadInput(f'{where}: {one_line(error)}')
    wrong = unknown_name(f'field of {match[1]}', match[2], [f.name for f in fields(cls)])
    return BadInput(f'{where}: {wrong}')


def choose_strategies(comparison: Comparison, names: Sequence[str] | None) -> Comparison:
    """The comparison with only these strategies: names in the config, or registered ones.

    The baseline stays if it is among them; otherwise the first of them becomes it.
    """
    if names is None:
        return comparison
    require(len(names) > 0, '--strategies needs at least one name.')
    require(len(set(names)) == len(names), f'--strategies must differ; got {" ".join(names)}.')
    allowed = {*comparison.strategies, *strategy_names()}
    for name in names:
        if name not in allowed:
            raise unknown_name('strategy', name, allowed)
    chosen = {name: comparison.strategies.get(name) or strategy_named(name) for name in names}
    baseline = comparison.baseline if comparison.baseline in chosen else names[0]
    return replace(comparison, strategies=chosen, baseline=baseline)


@dataclass(frozen=True)
class Options:
    """A parsed command line."""

    comparison: Comparison
    output: Path | None
    workers: int | None
    together: int | None
    extend: bool
    dry_run: bool
    explain: bool
    profile: Path | None
    trust_backend: bool
    until_decided: bool
    minutes: float | None
    engine: str
    cell: str | None
    given: tuple[str, ...]
    """The words given after the config, without the folder: for a command to copy."""


def without_option(words: Sequence[str], *names: str) -> tuple[str, ...]:
    """The words of a command line but for these options, each of which has one value.

    >>> without_option(['--seeds', '0', '--output=a', '--epochs', '2', '--output', 'b'], '--output')
    ('--seeds', '0', '--epochs', '2')
    """
    kept, is_value = [], False
    for word in words:
        name, equals, _ = word.partition('=')
        if not is_value and name not in names:
            kept.append(word)
        is_value = not is_value and name in names and not equals
    return tuple(kept)


def _require_of_one_cell(program: str, **given: bool) -> None:
    """BadInput for the options of `compare_pooling` that running one cell has no use for."""
    for name, is_given in given.items():
        require(
            not is_given,
            f'--{name.replace("_", "-")} belongs to python -m experiments.compare_pooling: '
            f'leave it out, since {program} runs one cell.',
        )


def parse(
    arguments: Sequence[str], *, program: str, description: str, one_cell: bool = False
) -> Options:
    """`CONFIG --output DIR [overrides]`; every plain field of the config is an option.

    Raises BadInput for what it cannot understand; `--help` prints the options and exits. With
    `one_cell` the options that choose, look at or share out many cells are refused, and otherwise
    `--cell` is.
    """
    if not arguments or arguments[0] in ('-h', '--help'):
        print(f'usage: {program} CONFIG --output DIR [options]\n\n{description}')
        print('\nCONFIG is a Python file such as configs/fashion_mnist/compare.py.')
        print(
            f'`{program} CONFIG --help` lists the options, with the values that CONFIG gives them.'
        )
        sys.exit(0 if arguments else BAD_INPUT)
    config = load_config(Path(arguments[0]))

    def options(
        *,
        output: Path | None = None,
        comparison: Annotated[Comparison, tyro.conf.arg(name='')] = config,
        strategies: tuple[str, ...] | None = None,
        workers: int | None = None,
        together: int | None = None,
        extend: bool = False,
        dry_run: bool = False,
        explain: bool = False,
        profile: Path | None = None,
        trust_backend: bool = False,
        until_decided: bool = False,
        max_seeds: int | None = None,
        minutes: float | None = None,
        engine: Literal['local', 'print'] | None = None,
        cell: str | None = None,
    ) -> Options:
        """Options.

        Args:
            output: The folder of the run: created if missing, resumed if there. Not needed with
                --dry-run, --explain or --profile.
            comparison: The config.
            strategies: Run only these: names in the config, or registered strategies.
            workers: Cells that run at once; as many as the cores hold if not given.
            together: Seeds of a strategy that one program trains; if not given, 1 on a CPU and up
                to 16 on a GPU or TPU.
            extend: Allow more seeds and strategies than the folder was begun with.
            dry_run: Check everything, print the resolved config and run nothing.
            explain: Time a training step of each strategy, beside a lower bound; run nothing.
            profile: Write a trace of a few steps of each strategy to this folder; run nothing.
            until_decided: Add seeds, from 5 on and 3 at a time, until every comparison is decided:
                the looks are planned, and share the 5% of false claims among them.
            max_seeds: With --until-decided, the seeds of the last look; by default 20.
            minutes: With --until-decided, begin no look that would end later than this.
            engine: 'local', the default, runs the cells here; 'print' runs nothing and prints a
                command for each that is not finished, for a scheduler.
            cell: For run_cell: which cell to run, as STRATEGY:SEED.
            trust_backend: Continue even if check_backend finds wrong numbers; recorded in
                environment.json.
        """
        if one_cell:
            _require_of_one_cell(
                program,
                workers=workers is not None,
                together=together is not None,
                dry_run=dry_run,
                explain=explain,
                profile=profile is not None,
                until_decided=until_decided,
                max_seeds=max_seeds is not None,
                minutes=minutes is not None,
                engine=engine is not None,
            )
        else:
            require(cell is None, '--cell belongs to python -m experiments.run_cell.')
        require(workers is None or workers >= 1, f'--workers must be at least 1; got {workers}.')
        require(
            together is None or together >= 1, f'--together must be at least 1; got {together}.'
        )
        only_looks = dry_run or explain or profile is not None
        require(output is not None or only_looks, 'give --output DIR, the folder of the run.')
        chosen = choose_strategies(comparison, strategies)
        if until_decided:
            most = MOST_SEEDS if max_seeds is None else max_seeds
            require(most >= 2, f'--max-seeds must be at least 2; got {most}.')
            chosen = with_looks(chosen, planned_looks(FIRST_LOOK, STEP, most))
        else:
            require(max_seeds is None, '--max-seeds needs --until-decided.')
            require(minutes is None, '--minutes needs --until-decided.')
        require(
            engine != 'print' or not until_decided,
            '--until-decided looks between seeds, so it runs the cells itself: leave out --engine.',
        )
        return Options(
            comparison=chosen,
            output=output,
            workers=workers,
            together=together,
            extend=extend,
            dry_run=dry_run,
            explain=explain,
            profile=profile,
            trust_backend=trust_backend,
            until_decided=until_decided,
            minutes=minutes,
            engine=engine or 'local',
            cell=cell,
            given=without_option(arguments[1:], '--output'),
        )

    names = f'Models: {", ".join(model_names())}. Strategies: {", ".join(strategy_names())}.'
    return parse_options(
        options, arguments[1:], program=f'{program} CONFIG', description=f'{description} {names}'
    )
