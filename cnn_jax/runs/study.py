"""A study: several comparisons, of several nets and data sets, that share one store of cells.

Its folder holds `cells/`, one folder a cell, and `comparisons/NAME/`, each as a comparison's folder
is, and its compact form, which is all that tables and figures need: see `cnn_jax.compact`.
"""

import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cnn_jax.compact import STUDY, TUNING_SEED, cells_counted, is_study, write_compact
from cnn_jax.data import Dataset
from cnn_jax.errors import BadInput, Damaged, Interrupted, require
from cnn_jax.files import make_folder
from cnn_jax.runs.comparison import run_comparison, seeds_begun
from cnn_jax.runs.config import CellKey, Comparison, cells_of
from cnn_jax.runs.folder import locked
from cnn_jax.runs.judging import Evaluation
from cnn_jax.runs.metrics_log import read_rows
from cnn_jax.runs.progress import Progress
from cnn_jax.runs.setup import load_dataset
from cnn_jax.runs.study_config import Study, rate_name
from cnn_jax.runs.together import check_together, seeds_together
from cnn_jax.runs.values import config_hash
from cnn_jax.training import Optimizer

_HELD_OUT = 0.1


def run_study(
    study: Study,
    folder: Path,
    progress: Progress,
    *,
    shard: tuple[int, int] = (1, 1),
    workers: int | None = None,
    together: int | None = None,
    seconds: float | None = None,
    skip: Collection[str] = (),
) -> dict[CellKey, str]:
    """Runs what is not finished of the study in `folder`, and writes its compact form.

    Returns the cells that raised an error, with the error in a line.

    `shard` (i, n) runs every n-th cell only, from the i-th on, so that n machines share the work.
    After `seconds` it stops as on Ctrl-C: raises Interrupted, and the same call goes on. The
    compact form is written after every seed of a comparison, and at a stop. `together` seeds are
    run at a time, trained by one program: see `cnn_jax.runs.together`. Cells whose hash is in
    `skip` are left out, as another machine has them; merge that study's compact form with this one.
    """
    check_together(together)
    make_folder(folder)
    _require_cells(folder)
    datasets: dict[str, Dataset] = {}
    all_failed: dict[CellKey, str] = {}

    def data_of(comparison: Comparison) -> Dataset:
        key = f'{comparison.data} {comparison.image_size} {comparison.task}'
        if key not in datasets:
            datasets.clear()  # one in memory at a time
            datasets[key] = load_dataset(comparison, log=progress.line)
        return datasets[key]

    def is_mine(name: str) -> bool:
        return name not in skip and (int(name, 16) - shard[0] + 1) % shard[1] == 0

    def run(name: str, comparison: Comparison) -> None:
        failed = run_comparison(
            comparison,
            folder / 'comparisons' / name,
            data_of(comparison),
            progress,
            workers=workers,
            together=together,
            extend=True,
            store=folder,
            only=lambda cell: is_mine(config_hash(cell)),
        )
        for key in [key for key in all_failed if key[0].startswith(f'{name}: ')]:
            del all_failed[key]  # tried again, and told anew where it failed again
        all_failed.update({(f'{name}: {key[0]}', key[1]): said for key, said in failed.items()})

    begun = {n: seeds_begun(folder / 'comparisons' / n) for n in study.comparisons}
    for name, comparison in study.comparisons.items():
        require(
            begun[name] <= len(comparison.seeds),
            f'{name} was begun with {begun[name]} seeds in {folder} and the config has '
            f'{len(comparison.seeds)}: add seeds to it, or give another --output.',
        )
    with locked(folder), _deadline(seconds):
        rates = {}
        try:
            for name, comparison in study.comparisons.items():
                rates[name] = _learning_rates(
                    name, comparison, study.tune.get(name, ()), folder, run
                )
            tuned = {
                name: replace(comparison, learning_rates=rates[name])
                for name, comparison in study.comparisons.items()
            }
            most = max(len(comparison.seeds) for comparison in tuned.values())
            each = together or seeds_together()
            for number in range(each, most + each, each):
                for name, comparison in tuned.items():
                    seeds = comparison.seeds[:number]
                    if len(seeds) > number - each and begun[name] <= len(seeds):
                        progress.line(f'{name}: {len(seeds)} of {len(comparison.seeds)} seeds')
                        run(name, replace(comparison, seeds=seeds))
                        write_compact(study.title, folder)
        finally:
            write_compact(study.title, folder)
    return all_failed


def _require_cells(folder: Path) -> None:
    """BadInput where the folder holds a compact form of cells that are not there themselves."""
    if not is_study(folder):
        return
    try:
        counted = cells_counted(folder)
    except Damaged as error:
        raise Damaged(
            f'{error} Where {folder / "cells"} holds all finished cells, move {STUDY} away and run '
            f'again: the compact form is made anew from them.'
        ) from None
    alone = [name for name in counted if not (folder / 'cells' / name).is_dir()]
    require(
        not alone,
        f'{folder} holds {len(alone)} cells in their compact form alone, which a run would lose: '
        f'give another --output, and --skip {folder} to leave out what it has.',
    )


def _learning_rates(
    name: str,
    comparison: Comparison,
    factors: tuple[float, ...],
    folder: Path,
    run: Callable[[str, Comparison], None],
) -> dict[str, float]:
    """The rate of each strategy that did best on the validation split; {} without tuning."""
    if not factors or not isinstance(comparison.optimizer, Optimizer):
        return dict(comparison.learning_rates)
    best: dict[str, tuple[float, float]] = {}
    for factor in factors:
        rate = comparison.optimizer.learning_rate * factor
        tried = replace(
            comparison,
            seeds=(TUNING_SEED,),
            learning_rates={},
            validation_fraction=_HELD_OUT,
            optimizer=replace(comparison.optimizer, learning_rate=rate),
            evaluation=Evaluation(max_shift=1, maps=0, measures=()),
        )
        run(rate_name(name, factor), tried)
        for (strategy, _), cell in cells_of(tried).items():
            rows = read_rows(folder / 'cells' / config_hash(cell) / 'metrics.jsonl')
            found = rows[-1]['accuracy'] if rows and rows[-1]['epoch'] == cell.epochs else -1.0
            if found < 0:
                raise BadInput(
                    f'{name}: {strategy} at a learning rate of {rate:g} has not finished, so no '
                    f'rate can be chosen: run the study without --shard up to there.'
                )
            best[strategy] = max(best.get(strategy, (-1.0, rate)), (found, rate))
    return {strategy: rate for strategy, (_, rate) in best.items()}


@contextmanager
def _deadline(seconds: float | None) -> Iterator[None]:
    """After so many seconds this process gets a SIGTERM, as if it were asked to stop."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted('the time given is over; what is done is saved') from None
    finally:
        timer.cancel()
