"""One training step of each strategy: its time, its arithmetic and memory traffic, and a trace."""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
from jaxtyping import Array
from rich.table import Table

from cnn_jax.data import Dataset
from cnn_jax.files import make_folder
from cnn_jax.inspection import direct_step_work
from cnn_jax.runs.config import Comparison, cells_of
from cnn_jax.runs.parallel import process_variables
from cnn_jax.runs.process import (
    compute_on,
    enable_compilation_cache,
    preload_variables,
    usable_cores,
)
from cnn_jax.runs.setup import setup_of, splits
from cnn_jax.runs.values import cell_from_dict, config_to_dict
from cnn_jax.training import create_state, zero_sums
from cnn_jax.training.batches import epoch_order

_WARM_UP, _TIMED, _TRACED = 3, 15, 5  # steps
_SIDE, _COPIED = 2048, 1 << 24  # of the matrix product; floats that are copied


@dataclass(frozen=True)
class StepCost:
    """One training step.

    Attributes:
        milliseconds: Median of several steps.
        direct_flops: Multiply-adds of convolutions and dense layers, two operations each, padding
            included. The compiled program may need fewer.
        direct_bytes: Every output and gradient written and read once, plus the optimiser's.
        flops: As XLA counts the compiled step.
        bytes: As XLA counts the compiled step, including what stays in a cache.
        direct_milliseconds: The direct work at the measured speed of a matrix product or a
            copy, whichever takes longer.
    """

    milliseconds: float
    direct_flops: int
    direct_bytes: int
    flops: float
    bytes: float
    direct_milliseconds: float


def step_costs(
    comparison: Comparison, dataset: Dataset, *, profile: Path | None = None
) -> dict[str, StepCost]:
    """The cost of a step of every strategy, each measured in a process like a training process.

    With `profile`, a trace of a few steps goes to a subfolder with the strategy's name; Perfetto
    opens its `perfetto_trace.json.gz`, XProf the rest.
    """
    if profile:
        make_folder(profile)
    seed = comparison.seeds[0]
    cells = {name: cell for (name, at), cell in cells_of(comparison).items() if at == seed}
    context = multiprocessing.get_context('spawn')
    costs = {}
    for name, cell in cells.items():
        folder = profile / name if profile else None
        with (
            process_variables(preload_variables()),
            ProcessPoolExecutor(
                1, context, initializer=_settle, initargs=(usable_cores()[: cell.cores],)
            ) as process,
        ):
            costs[name] = process.submit(step_cost, config_to_dict(cell), dataset, folder).result()
    return costs


def _settle(cores: list[int]) -> None:
    compute_on(cores)
    enable_compilation_cache()


def step_cost(values: Mapping, dataset: Dataset, profile: Path | None = None) -> StepCost:
    """The cost of a step of the cell with those plain values, measured in this process."""
    cell = cell_from_dict(values)
    train, _, _ = splits(cell, dataset)
    images, labels = jnp.asarray(train.images), jnp.asarray(train.labels)
    setup = setup_of(cell, dataset)
    key = jax.random.key(cell.seed)
    order = epoch_order(key, 0, examples=len(labels), batch_size=cell.batch_size)
    state = create_state(setup.classifier, setup.optimizer, key, dataset.image_shape)
    carried = [state, zero_sums()]
    compiled = setup.step.lower(*carried, images, labels, order, key).compile()
    counted = compiled.cost_analysis() or {}

    def step() -> None:
        carried[:] = compiled(*carried, images, labels, order, key)
        jax.block_until_ready(carried)

    for _ in range(_WARM_UP):
        step()
    milliseconds = statistics.median(_milliseconds(step) for _ in range(_TIMED))
    if profile:
        with jax.profiler.trace(str(profile), create_perfetto_trace=True):
            for _ in range(_TRACED):
                step()
    direct = direct_step_work(setup.classifier.model, dataset.image_shape, cell.batch_size)
    flops_per_ms, bytes_per_ms = _speeds()
    return StepCost(
        milliseconds,
        direct.flops,
        direct.bytes,
        counted.get('flops', 0.0),
        counted.get('bytes accessed', 0.0),
        direct_milliseconds=max(direct.flops / flops_per_ms, direct.bytes / bytes_per_ms),
    )


def _milliseconds(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def _speeds() -> tuple[float, float]:
    """Operations per millisecond of a matrix product, and bytes of a copy; the best of several."""

    def best(function: Callable[[Array], Array], x: Array) -> float:
        compiled = jax.jit(function)
        times = [_milliseconds(lambda: jax.block_until_ready(compiled(x))) for _ in range(6)]
        return min(times)

    product = best(lambda a: a @ a, jnp.ones((_SIDE, _SIDE)))
    copy = best(lambda a: a + 1, jnp.ones(_COPIED))
    return 2 * _SIDE**3 / product, 8 * _COPIED / copy


def cost_table(costs: Mapping[str, StepCost]) -> Table:
    """The costs for the terminal."""
    table = Table(
        caption='direct: layers as they are defined, padding included, and the optimiser; '
        'XLA: as compiled, which may do with less; share: direct, ms / ms'
    )
    table.add_column('a step of')
    heads = ('ms', 'GFLOP, direct', 'XLA', 'MB, direct', 'XLA', 'direct, ms', 'share')
    for head in heads:
        table.add_column(head, justify='right', no_wrap=True)
    for name, cost in costs.items():
        table.add_row(
            name,
            f'{cost.milliseconds:.2f}',
            f'{cost.direct_flops / 1e9:.2f}',
            f'{cost.flops / 1e9:.2f}',
            f'{cost.direct_bytes / 1e6:.0f}',
            f'{cost.bytes / 1e6:.0f}',
            f'{cost.direct_milliseconds:.2f}',
            f'{cost.direct_milliseconds / cost.milliseconds:.0%}',
        )
    return table
