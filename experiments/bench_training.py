"""How long does a whole training step take, compared with idiomatic Flax and the best PyTorch?

python -m experiments.bench_training --json runs/bench_training.json   (the table goes to .md)

Forward, backward and Adam in float32. Ours includes taking the batch out of the uint8 data set and
normalising it; the others start from a ready batch. PyTorch needs the extra `oracles` (make oracles
sets it up); without it its columns stay empty. The floor is the time for the step's arithmetic at
the speed of a matrix product or for its minimal memory traffic at the speed of a copy, whichever is
longer; both speeds are measured in turn with the rest.
"""

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cnn_jax.exits import exit_codes, parse_options

Model = Literal['convnet1', 'vgg11_bn', 'resnet18']
SHAPES = {'convnet1': (28, 28, 1), 'vgg11_bn': (32, 32, 3), 'resnet18': (32, 32, 3)}
COLUMNS = (
    *('model', 'downsample', 'allocator', 'ours, ms', 'spread', 'Flax, ms', 'best PyTorch, ms'),
    *('which', 'ours / PyTorch', 'ours / Flax', 'floor, ms', 'share', 'compile cold, warm, s'),
)


@dataclass(frozen=True)
class Options:
    """What to time."""

    json: Path
    """File for the rows."""
    models: tuple[Model, ...] = ('convnet1', 'vgg11_bn', 'resnet18')
    """Networks, in their forms for small images."""
    downsample: tuple[Literal['max', 'max_blur'], ...] = ('max', 'max_blur')
    """Names of strategies."""
    batch_size: int = 128
    """Images of a step."""
    allocators: tuple[Literal['default', 'tcmalloc', 'mimalloc'], ...] = ('default', 'tcmalloc')
    """Memory allocators; each is preloaded into all sides."""
    threads: int = 2
    """CPU threads of each side."""
    rounds: int = 5
    """Every contender is timed once in each round; the median is reported."""
    compiled: bool = True
    """Also time torch.compile (it needs a C++ compiler)."""


def main() -> None:
    """Times models x strategies x allocators, contenders in turn; prints a table."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.bench_training',
        description='Times whole training steps beside Flax and PyTorch.',
    )
    from cnn_jax.errors import require
    from cnn_jax.files import write_atomically, write_json
    from experiments.benchmarks import timing

    file = options.json
    timing.check_file(file)
    require(
        min(options.rounds, options.batch_size) >= 1,
        '--rounds and --batch-size must be at least 1.',
    )
    timing.use_threads(options.threads)
    rows = []
    for allocator in options.allocators:
        for model in options.models:
            for downsample in options.downsample:
                rows.append(row(options, allocator, model, downsample))
                write_json(file, rows)
                print(' '.join(cells(rows[-1])), file=sys.stderr, flush=True)
    write_atomically(file.with_suffix('.md'), markdown(rows).encode())
    print(markdown(rows), end='')


def row(options: Options, allocator: str, model: str, downsample: str) -> dict:
    """The figures of one model and strategy."""
    from experiments.benchmarks import timing, training_ours

    case = (model, downsample, options.batch_size, SHAPES[model])
    with ExitStack() as stack:
        ours = stack.enter_context(timing.library_process(allocator, options.threads))
        sides: list[timing.Side] = [(ours, training_ours.build, case)]
        if importlib.util.find_spec('torch'):
            from experiments.benchmarks import training_torch

            theirs = stack.enter_context(timing.library_process(allocator, options.threads))
            arguments = (*case, options.threads, options.compiled)
            sides.append((theirs, training_torch.build, arguments))
        times = timing.interleaved(sides, rounds=options.rounds)
        least = ours.submit(training_ours.least_work, *case).result()
    return {
        'case': f'{model} {downsample}',
        'direction': 'step',
        'model': model,
        'downsample': downsample,
        'batch_size': options.batch_size,
        'allocator': allocator,
        'threads': options.threads,
        **figures(times, least, options.batch_size),
        **dict(zip(('compile_cold_s', 'compile_warm_s'), compile_seconds(case), strict=True)),
    }


def figures(times: Mapping[str, Sequence[float]], least: Mapping[str, float], batch: int) -> dict:
    """The row's figures; `least` holds FLOPs and bytes of the step and of the two speed tests."""
    ms = {name: statistics.median(values) for name, values in times.items()}
    peers = {name: value for name, value in ms.items() if name.startswith('torch')}
    best = min(peers, key=lambda name: peers[name], default=None)
    floor = max(
        least['flops'] * ms['product'] / least['product_flops'],
        least['bytes'] * ms['copy'] / least['copy_bytes'],
    )
    return {
        'ours_ms': ms['ours'],
        'spread_ms': [min(times['ours']), max(times['ours'])],
        'flax_ms': ms['flax'],
        'torch_best_ms': peers[best] if best else None,
        'torch_best': best,
        'ratio_to_torch': ms['ours'] / peers[best] if best else None,
        'ratio_to_flax': ms['ours'] / ms['flax'],
        'floor_ms': floor,
        'share': floor / ms['ours'],
        'product_gflops': least['product_flops'] / ms['product'] / 1e6,
        'copy_gb_per_s': least['copy_bytes'] / ms['copy'] / 1e6,
        'training_images_per_s': 1000 * batch / ms['ours'],
        'evaluation_images_per_s': 1000 * batch / ms['evaluation'],
        'input_images_per_s': 1000 * batch / ms['input'],
        'epoch_overhead': ms['epoch'] / ms['steps of an epoch'] - 1 if 'epoch' in ms else None,
        'all_ms': ms,
    }


def compile_seconds(case: tuple) -> list[float]:
    """Seconds to trace and compile the first step in a new process: uncached, then cached."""
    from experiments.benchmarks.timing import cache_variables

    call = f'print(first_step_seconds(*{case!r}))'
    code = f'from experiments.benchmarks.training_ours import first_step_seconds; {call}'
    with tempfile.TemporaryDirectory() as folder:
        cache = cache_variables(folder)
        run = [
            subprocess.run(
                [sys.executable, '-c', code],
                env={**os.environ, **cache},
                stdout=subprocess.PIPE,
                check=True,
            )
            for _ in range(2)
        ]
    return [float(done.stdout) for done in run]


def cells(row: dict) -> list[str]:
    """A row's figures as they are shown."""

    def number(key: str, digits: int) -> str:
        return '' if row[key] is None else f'{row[key]:.{digits}f}'

    return [
        row['model'],
        row['downsample'],
        row['allocator'],
        number('ours_ms', 1),
        '{:.1f}-{:.1f}'.format(*row['spread_ms']),
        number('flax_ms', 1),
        number('torch_best_ms', 1),
        (row['torch_best'] or '').removeprefix('torch '),
        number('ratio_to_torch', 2),
        number('ratio_to_flax', 2),
        number('floor_ms', 1),
        f'{row["share"]:.0%}',
        f'{row["compile_cold_s"]:.1f}, {row["compile_warm_s"]:.1f}',
    ]


def markdown(rows: Sequence[dict]) -> str:
    """All rows as a Markdown table."""
    from experiments.benchmarks.table import as_markdown

    return as_markdown(COLUMNS, map(cells, rows))


if __name__ == '__main__':
    with exit_codes():
        main()
