"""What every experiment's command line shares: a config file, overrides, and how errors end."""

import re
import runpy
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import tyro

from cnn_jax.data.augment import Augment
from cnn_jax.errors import BadInput, require, unknown_name
from cnn_jax.exits import BAD_INPUT, parse_options
from cnn_jax.modules import strategy_named, strategy_names
from cnn_jax.runs.config import Comparison, Evaluation
from cnn_jax.training import Optimizer


def load_config(path: Path) -> Comparison:
    """The `config` that a Python file defines; BadInput says what is wrong with the file."""
    require(path.is_file(), f'no config file {path}: see the folder configs/ for some.')
    try:
        config = runpy.run_path(str(path)).get('config')
    except BadInput as error:
        raise BadInput(f'{path}: {error}') from None
    except TypeError as error:
        raise _unknown_field(path, error) from None
    except (Exception, SystemExit) as error:
        raise BadInput(f'{path}: {type(error).__name__}: {error}') from None
    require(
        isinstance(config, Comparison),
        f'{path} must define `config = Comparison(...)`; it defines {type(config).__name__}.',
    )
    assert isinstance(config, Comparison)
    return config


def _unknown_field(path: Path, error: TypeError) -> BadInput:
    match = re.fullmatch(
        r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'.*", str(error)
    )
    if match is None:
        return BadInput(f'{path}: {error}')
    known = {cls.__name__: cls for cls in (Comparison, Optimizer, Augment, Evaluation)}
    cls = known.get(match[1])
    if cls is None:
        return BadInput(f'{path}: {error}')
    wrong = unknown_name(f'field of {match[1]}', match[2], [f.name for f in fields(cls)])
    return BadInput(f'{path}: {wrong}')


def choose_strategies(comparison: Comparison, names: Sequence[str] | None) -> Comparison:
    """The comparison with only these strategies: names of its own, or registered ones.

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
    output: Path
    workers: int | None
    extend: bool
    dry_run: bool
    explain: bool
    profile: Path | None


def parse(arguments: Sequence[str], *, program: str, description: str) -> Options:
    """`CONFIG --output DIR [overrides]`; every plain field of the config is an option.

    Raises BadInput for what it cannot understand; `--help` prints the options and exits.
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
        output: Path,
        comparison: Annotated[Comparison, tyro.conf.arg(name='')] = config,
        strategies: tuple[str, ...] | None = None,
        workers: int | None = None,
        extend: bool = False,
        dry_run: bool = False,
        explain: bool = False,
        profile: Path | None = None,
    ) -> Options:
        """Options.

        Args:
            output: The folder of the run: made if missing, gone on with if there.
            comparison: The config.
            strategies: Run only these: names in the config, or registered strategies.
            workers: Cells that run at once; as many as the cores hold if not given.
            extend: Allow more seeds and strategies than the folder was begun with.
            dry_run: Check everything, print the resolved config and run nothing.
            explain: Time a training step of each strategy, beside what it must cost; run nothing.
            profile: Write a trace of a few steps of each strategy to this folder; run nothing.
        """
        require(workers is None or workers >= 1, f'--workers must be at least 1; got {workers}.')
        chosen = choose_strategies(comparison, strategies)
        return Options(chosen, output, workers, extend, dry_run, explain, profile)

    return parse_options(
        options, arguments[1:], program=f'{program} CONFIG', description=description
    )
