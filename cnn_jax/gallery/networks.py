"""Selects the trained networks of a run, or the untrained ones of a config, for the gallery."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import jax

from cnn_jax.data import Dataset
from cnn_jax.errors import require, unknown_name
from cnn_jax.files import read_json
from cnn_jax.inspection import Summary, summarize
from cnn_jax.models import Classifier
from cnn_jax.reports.run import Run, read_run
from cnn_jax.runs.cell import trained
from cnn_jax.runs.command_line import load_config
from cnn_jax.runs.config import Cell, cells_of
from cnn_jax.runs.setup import check_cell, setup_of
from cnn_jax.runs.values import cell_from_dict
from cnn_jax.strategies import Strategy

_SHOWN = 3  # strategies, unless the user chooses them


@dataclass(frozen=True)
class ShownNetwork:
    """A network to show: its strategy, input normalisation, architecture, seed and weights."""

    strategy: Strategy
    seed: int
    summary: Summary
    classifier: Classifier
    variables: Mapping


@dataclass(frozen=True)
class Chosen:
    """The cells of the networks to show, by strategy; their folders, if they are trained.

    `title` and `note` are shown to the reader.
    """

    title: str
    note: str
    cells: Mapping[str, Cell]
    folders: Mapping[str, Path]

    def networks(self, dataset: Dataset, *, log: Callable[[str], None]) -> dict[str, ShownNetwork]:
        """The networks, in order; BadInput where a cell has no checkpoint or cannot run."""
        found = {}
        for name, cell in self.cells.items():
            check_cell(cell, dataset)
            if name in self.folders:
                classifier, variables = trained(cell, self.folders[name], dataset, log=log)
            else:
                classifier, variables = _untrained(cell, dataset)
            summary = summarize(classifier.model, dataset.image_shape)
            found[name] = ShownNetwork(cell.strategy, cell.seed, summary, classifier, variables)
        return found


def choose_networks(
    path: Path, *, strategies: Sequence[str] | None = None, seed: int | None = None
) -> Chosen:
    """One network of each strategy in a comparison's folder, or in a config file.

    By default a run's baseline and its two most consistent other strategies, or a config's first
    three, each with the first seed that finished. Raises BadInput where the path is neither, a
    strategy or seed is not in it, or none of its cells finished.
    """
    if path.is_file():
        return _of_config(path, strategies, seed)
    require(path.exists(), f'{path} is not there: give a finished run or a config file.')
    run = read_run(path)
    names = _names(strategies, run.strategies) or _telling(run)
    cells, folders = {}, {}
    for name in names:
        done = [c for c in run.select(name, 'completed') if seed in (None, c.seed)]
        which = 'seed' if seed is None else f'seed {seed}'
        require(
            len(done) > 0,
            f'no {which} of {name} finished in {path}: run the comparison first, or choose others '
            f'with --strategies and --seed.',
        )
        cells[name] = cell_from_dict(read_json(done[0].folder / 'config.json'))
        folders[name] = done[0].folder
    listed = ', '.join(f'{name} (seed {cell.seed})' for name, cell in cells.items())
    epochs = next(iter(cells.values())).epochs
    note = f'From the run "{run.title}", trained for {epochs} epochs: {listed}.'
    if not strategies and len(cells) < len(run.strategies):
        note += f' Of {len(run.strategies)} strategies the baseline and the most consistent ones.'
    return Chosen(run.title, note, cells, folders)


def _of_config(path: Path, strategies: Sequence[str] | None, seed: int | None) -> Chosen:
    comparison = load_config(path)
    seed = comparison.seeds[0] if seed is None else seed
    require(
        seed in comparison.seeds,
        f'{path} has no seed {seed}: choose one of {", ".join(map(str, comparison.seeds))}.',
    )
    known = tuple(comparison.strategies)
    names = _names(strategies, known) or known[:_SHOWN]
    cells = {name: cells_of(comparison)[name, seed] for name in names}
    note = f'Networks of {path.name} as they start (seed {seed}): nothing is trained.'
    return Chosen(comparison.title or path.stem, note, cells, {})


def _names(chosen: Sequence[str] | None, known: Sequence[str]) -> Sequence[str]:
    for name in chosen or ():
        if name not in known:
            raise unknown_name('strategy', name, known)
    require(chosen is None or len(set(chosen)) == len(chosen) > 0, '--strategies must differ.')
    return chosen or ()


def _telling(run: Run) -> list[str]:
    """The baseline and the most consistent of the others that finished."""

    def consistency(name: str) -> float:
        return mean(cell.result['consistency'] for cell in run.select(name, 'completed'))

    first = run.baseline or run.strategies[0]
    others = [n for n in run.strategies if n != first and run.select(n, 'completed')]
    return [first, *sorted(others, key=consistency, reverse=True)][:_SHOWN]


def _untrained(cell: Cell, dataset: Dataset) -> tuple[Classifier, Mapping]:
    setup = setup_of(cell, dataset)
    key = jax.random.key(cell.seed)
    return setup.classifier, setup.classifier.init(key, dataset.image_shape)
