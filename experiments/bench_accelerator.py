"""How fast is each downsampling op on a GPU, compared with torch and cuDNN and with memory speed?

python -m experiments.bench_accelerator --json runs/bench_accelerator.json   (also writes .md)

Times every registered strategy, forward and forward with backward, in float32. Calls are dispatched
without waiting, and maps are large, so that the device is timed and not Python (a call costs JAX
some 30 microseconds); the result is the median of several stretches. The gradient is computed twice
and must be the same to the last bit. `share` is the fraction of memory bandwidth: the least bytes
that any implementation must move, over the bytes that a copy moves in the same time. Without torch,
or without a GPU for it, its columns stay empty.
"""

import functools
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_jax.exits import exit_codes, parse_options

SHAPES = ((32, 112, 112, 64), (256, 112, 112, 64))
COLUMNS = ('case', 'direction', 'ours, ms', 'best torch, ms', 'which', 'ours / torch', 'share')


@dataclass(frozen=True)
class Options:
    """What to time."""

    json: Path
    """File for the rows."""
    cases: tuple[str, ...] = ()
    """Names of cases; none means all."""
    shapes: tuple[tuple[int, int, int, int], ...] = SHAPES
    """Input shapes: batch, height, width, channels."""
    stretches: int = 5
    """Stretches to time; the median is reported."""
    milliseconds: float = 20.0
    """Approximate length of a stretch."""
    compiled: bool = True
    """Also time torch.compile."""


def main() -> None:
    """Times shapes x cases, ours and torch's in turn; prints a table."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.bench_accelerator',
        description='Times every downsampling op on the accelerator, beside torch.',
    )
    import jax

    from cnn_jax.errors import require, unknown_name
    from cnn_jax.files import write_atomically, write_json
    from experiments.benchmarks import ours, timing
    from experiments.benchmarks.table import as_markdown

    known = list(ours.cases())
    for name in options.cases:
        if name not in known:
            raise unknown_name('case', name, known)
    require(
        jax.default_backend() != 'cpu',
        'JAX finds no accelerator here: on a CPU, run python -m experiments.bench_ops.',
    )
    timing.check_file(options.json)
    device = jax.devices()[0].device_kind
    rows: list[dict[str, Any]] = []
    for shape in options.shapes:
        copy = stretch_ms(ours.build('max', shape, wait=False)['copy'], jax_wait, options)
        for name in options.cases or known:
            require_deterministic(name, shape)
            for row in time_case(name, shape, options):
                row['share'] = row.pop('moved') / (2 * elements(shape)) * copy / row['ours_ms']
                rows.append({'device': device, **row})
                print('  '.join(cells(row)), file=sys.stderr, flush=True)
            write_json(options.json, rows)
    text = as_markdown(COLUMNS, [cells(row) for row in rows])
    write_atomically(options.json.with_suffix('.md'), text.encode())


def elements(shape: tuple[int, ...]) -> int:
    """The number of elements of such a map."""
    return shape[0] * shape[1] * shape[2] * shape[3]


def require_deterministic(name: str, shape: tuple[int, int, int, int]) -> None:
    """Raises where two runs of the gradient differ in any bit."""
    import jax
    import numpy as np

    from experiments.benchmarks import ours

    call = ours.build(name, (8, *shape[1:]), wait=False)['ours forward+backward']
    first, second = (jax.tree.leaves(jax.device_get(call())) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=f'{name}: gradients differ between runs')


def time_case(
    name: str, shape: tuple[int, int, int, int], options: Options
) -> Iterator[dict[str, Any]]:
    """A row for each direction."""
    from experiments.benchmarks import ours

    mine = ours.build(name, shape, wait=False)
    theirs = torch_calls(name, shape, options.compiled)
    for direction, moved in zip(
        ('forward', 'forward+backward'), ours.moved_elements(name, shape), strict=True
    ):
        own = stretch_ms(mine[f'ours {direction}'], jax_wait, options)
        peers = {
            label.removesuffix(f' {direction}'): stretch_ms(call, torch_wait, options)
            for label, call in theirs.items()
            if label.endswith(f' {direction}')
        }
        best = min(peers, key=lambda label: peers[label], default=None)
        yield {
            'case': f'{name} {"x".join(map(str, shape))}',
            'direction': direction,
            'ours_ms': own,
            'torch_best_ms': peers[best] if best else None,
            'torch_best': best,
            'ratio_to_torch': own / peers[best] if best else None,
            'moved': moved,
        }


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table."""
    ratio, best = row['ratio_to_torch'], row['torch_best_ms']
    return (
        row['case'],
        row['direction'],
        f'{row["ours_ms"]:.3f}',
        '–' if best is None else f'{best:.3f}',
        row['torch_best'] or '–',
        '–' if ratio is None else f'{ratio:.2f}',
        f'{row["share"]:.2f}',
    )


def stretch_ms(call: Callable[[], Any], wait: Callable[[Any], None], options: Options) -> float:
    """Milliseconds per call: the median of several stretches of calls without waiting."""
    wait(call())
    begin = time.perf_counter()
    wait(call())
    once = max(time.perf_counter() - begin, 1e-6)
    times = []
    for _ in range(options.stretches):
        number = max(1, min(1000, int(options.milliseconds / 1e3 / once)))
        begin = time.perf_counter()
        for _ in range(number - 1):
            call()
        wait(call())
        once = (time.perf_counter() - begin) / number
        times.append(1e3 * once)
    return statistics.median(times)


def jax_wait(value: Any) -> None:
    """Waits until the device has computed the value, and everything dispatched before it."""
    import jax

    jax.block_until_ready(value)


def torch_wait(value: Any) -> None:
    """Waits until the GPU is idle."""
    import torch  # pyright: ignore[reportMissingImports]

    del value
    torch.cuda.synchronize()


@functools.cache
def _torch_has_gpu() -> bool:
    if not importlib.util.find_spec('torch'):
        return False
    import torch  # pyright: ignore[reportMissingImports]

    return torch.cuda.is_available()


def torch_calls(
    name: str, shape: tuple[int, int, int, int], compiled: bool
) -> dict[str, Callable[[], Any]]:
    """Torch's versions of a case on its GPU, by layout and mode; none without torch or a GPU."""
    if not _torch_has_gpu():
        return {}
    from experiments.benchmarks import peers

    return peers.build_on_gpu(name, shape, compiled)


if __name__ == '__main__':
    with exit_codes():
        main()
