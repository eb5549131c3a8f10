"""How should a sweep of strategies and seeds be run on this machine?

python -m experiments.bench_sweep --json runs/bench_sweep.json   (the table goes to .md)

Runs the same cells (data loaded, trained, evaluated, checkpointed) in three ways: each in its own
cold process, one after another, on all cores; all in one process on all cores; and as the
comparison runs them, in one worker process per core. Also times the step alone: seeds one after
another on all cores, and as one vmapped step.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cnn_jax.exits import exit_codes, parse_options

if TYPE_CHECKING:
    from cnn_jax.runs import Cell

COLD, ONE, EACH = 'cold processes', 'one process', 'a process a core'


@dataclass(frozen=True)
class Options:
    """What to time."""

    json: Path
    """File for the rows."""
    strategies: tuple[str, ...] = ('max', 'avg', 'stride', 'max_blur')
    """Registered strategies."""
    seeds: int = 4
    """Seeds of each strategy."""
    data: str = 'fashion_mnist'
    """The data set."""
    epochs: int = 1
    """Epochs of each cell."""


def main() -> None:
    """Times three ways to run a sweep and two to step several seeds; prints a table."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.bench_sweep',
        description='Times a sweep of strategies and seeds, run in three ways.',
    )
    from cnn_jax.errors import require
    from cnn_jax.files import write_atomically, write_json
    from cnn_jax.runs.config import Comparison, cells_of
    from cnn_jax.runs.environment import describe_environment
    from cnn_jax.runs.process import usable_cores
    from cnn_jax.strategies import strategy_named
    from experiments.benchmarks.timing import check_file

    check_file(options.json)
    names = options.strategies
    require(
        len(set(names)) == len(names) > 0, f'--strategies must be different names; got {names}.'
    )
    require(options.seeds >= 1, f'--seeds must be at least 1; got {options.seeds}.')
    comparison = Comparison(
        data=options.data,
        strategies={name: strategy_named(name) for name in options.strategies},
        baseline=options.strategies[0],
        seeds=tuple(range(options.seeds)),
        epochs=options.epochs,
    )
    all_cores = len(usable_cores())
    wide = replace(comparison, cores=all_cores)
    ways: dict[str, Callable[[], float]] = {
        EACH: lambda: seconds(cells_of(comparison), at_once=True, workers=None),
        ONE: lambda: seconds(cells_of(wide), at_once=True, workers=1),
        COLD: lambda: seconds(cells_of(wide), at_once=False, workers=1),
    }
    log = {'environment': describe_environment(), 'cores': all_cores, 'cells': len(cells_of(wide))}
    for way, run in ways.items():
        log[way] = round(run(), 1)
        write_json(options.json, log)
        print(f'{way}: {log[way]:.1f} s', file=sys.stderr, flush=True)
    log |= step_times(options.strategies, options.seeds)
    write_json(options.json, log)
    write_atomically(options.json.with_suffix('.md'), markdown(log).encode())
    print(markdown(log), end='')


def seconds(
    cells: Mapping[tuple[str, int], 'Cell'], *, at_once: bool, workers: int | None
) -> float:
    """The wall-clock time of running the cells; unless `at_once`, each with an empty cache."""
    from cnn_jax.runs.parallel import Events, process_variables, run_cells, worker_count
    from cnn_jax.runs.setup import load_dataset
    from experiments.benchmarks import timing

    dataset = load_dataset(next(iter(cells.values())), log=lambda line: None)
    events = Events(
        tick=lambda key, steps: None, log=lambda line: None, finished=lambda key, result: None
    )
    batches = [cells] if at_once else [{key: cell} for key, cell in cells.items()]
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for number, batch in enumerate(batches):
            folders = {key: Path(folder, f'{key[0]}_{key[1]}') for key in batch}
            with process_variables(timing.cache_variables(f'{folder}/cache{number}')):
                run_cells(batch, folders, dataset, events, workers=workers or worker_count(batch))
    return time.perf_counter() - start


def step_times(strategies: tuple[str, ...], seeds: int) -> dict[str, dict[str, float]]:
    """Milliseconds for one step of all seeds: one after another, and as one vmapped step."""
    from cnn_jax.runs.process import fast_allocator, usable_cores
    from experiments.benchmarks import timing, training_ours

    allocator = 'mimalloc' if fast_allocator() else 'default'
    times = {}
    for strategy in strategies:
        with timing.library_process(allocator, len(usable_cores())) as process:
            case = (strategy, seeds, 128, (28, 28, 1))
            taken = timing.interleaved([(process, training_ours.build_seeds, case)], rounds=5)
        times[strategy] = {name: round(statistics.median(ms), 1) for name, ms in taken.items()}
    return {'step_ms': times}


def markdown(log: Mapping) -> str:
    """The log as two Markdown tables."""
    from experiments.benchmarks.table import as_markdown

    head = (f'{log["cells"]} cells, {log["cores"]} cores', 's', 'of cold processes')
    ways = [(way, f'{log[way]:.0f}', f'{log[way] / log[COLD]:.2f}') for way in (COLD, ONE, EACH)]
    names = list(next(iter(log['step_ms'].values())))
    steps = [(s, *(f'{ms[name]:.0f}' for name in names)) for s, ms in log['step_ms'].items()]
    tables = as_markdown(head, ways), as_markdown(('a step of all seeds, ms', *names), steps)
    return '\n'.join(tables)


if __name__ == '__main__':
    with exit_codes():
        main()
