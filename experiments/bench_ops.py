"""How fast is each downsampling op, compared with Flax, PyTorch, kornia and antialiased-cnns?

python -m experiments.bench_ops --json runs/bench_ops.json   (also writes runs/bench_ops.md)

Times every registered strategy, forward and forward with backward, in float32. A ratio below 1
means that ours is faster. The peers need the extra `oracles` (make oracles sets it up); without it
their columns stay empty. `floor_ms` is the time to move the minimum of bytes at the measured speed
of a copy.
"""

import importlib.util
import json
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cnn_jax.exits import exit_codes, parse_options

SHAPES = ((128, 28, 28, 16), (128, 32, 32, 64), (32, 112, 112, 64))


@dataclass(frozen=True)
class Options:
    """What to time."""

    json: Path
    """File for the rows."""
    cases: tuple[str, ...] = ()
    """Names of cases; none means all."""
    shapes: tuple[tuple[int, int, int, int], ...] = SHAPES
    """Input shapes: batch, height, width, channels."""
    allocators: tuple[Literal['default', 'tcmalloc', 'mimalloc'], ...] = ('default', 'tcmalloc')
    """Memory allocators; each is preloaded into both sides."""
    threads: int = 2
    """CPU threads of each side."""
    rounds: int = 5
    """Every contender is timed once in each round; the median is reported."""
    compiled: bool = True
    """Also time torch.compile (it needs a C++ compiler)."""


def main() -> None:
    """Times all contenders of each case in turn; prints a table."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.bench_ops',
        description='Times every downsampling op beside its peers.',
    )
    from cnn_jax.errors import require, unknown_name
    from cnn_jax.files import write_json
    from experiments.benchmarks import ours, timing
    from experiments.benchmarks.table import markdown, print_rows

    known = list(ours.cases())
    for name in options.cases:
        if name not in known:
            raise unknown_name('case', name, known)
    timing.check_file(options.json)
    require(options.rounds >= 1, f'--rounds must be at least 1; got {options.rounds}.')
    timing.use_threads(options.threads)
    rows = []
    for allocator in options.allocators:
        for shape in options.shapes:
            rows += time_cases(options, allocator, shape, options.cases or known)
            options.json.parent.mkdir(parents=True, exist_ok=True)
            write_json(options.json, rows)
    options.json.with_suffix('.md').write_text(markdown(rows), encoding='utf-8')
    print_rows(rows)
    print(json.dumps({'rows': len(rows), 'file': str(options.json)}), file=sys.stderr)


def time_cases(
    options: Options, allocator: str, shape: tuple[int, int, int, int], names: Sequence[str]
) -> list[dict]:
    """The rows of one shape under one allocator."""
    from experiments.benchmarks import ours, timing

    rows = []
    with ExitStack() as stack:
        jax_side = stack.enter_context(timing.library_process(allocator, options.threads))
        torch_side = None
        if importlib.util.find_spec('torch'):
            torch_side = stack.enter_context(timing.library_process(allocator, options.threads))
        for name in names:
            sides: list[timing.Side] = [(jax_side, ours.build, (name, shape))]
            if torch_side is not None:
                from experiments.benchmarks import peers

                if peers.ops(name, shape[-1]):
                    arguments = (name, shape, options.threads, options.compiled)
                    sides.append((torch_side, peers.build, arguments))
            rounds = timing.interleaved(sides, rounds=options.rounds)
            times = {call: statistics.median(values) for call, values in rounds.items()}
            rows += [{'allocator': allocator, **row} for row in summarise(name, shape, times)]
            print(f'{allocator} {shape} {name}: ' + brief(rows[-1]), file=sys.stderr, flush=True)
    return rows


def summarise(case: str, shape: tuple[int, int, int, int], times: dict[str, float]) -> list[dict]:
    """One row per direction."""
    from experiments.benchmarks import ours

    elements = shape[0] * shape[1] * shape[2] * shape[3]
    moved = ours.moved_elements(case, shape)
    rows = []
    for direction, count in zip(('forward', 'forward+backward'), moved, strict=True):
        mine, flax = times[f'ours {direction}'], times.get(f'flax {direction}')
        own = (f'ours {direction}', f'flax {direction}')
        peers = {
            name.removesuffix(f' {direction}'): ms
            for name, ms in times.items()
            if name.endswith(f' {direction}') and name not in own
        }
        best = min(peers, key=lambda name: peers[name], default=None)
        rows.append(
            {
                'case': f'{case} {"x".join(map(str, shape))}',
                'direction': direction,
                'ours_ms': mine,
                'flax_ms': flax,
                'torch_best_ms': peers[best] if best else None,
                'torch_best': best,
                'ratio_to_torch': mine / peers[best] if best else None,
                'ratio_to_flax': mine / flax if flax else None,
                'floor_ms': times['copy'] * count / (2 * elements),
            }
        )
    return rows


def brief(row: dict) -> str:
    """One line of progress."""
    ratio = row['ratio_to_torch']
    return f'{row["ours_ms"]:.2f} ms' + (f', {ratio:.2f} of {row["torch_best"]}' if ratio else '')


if __name__ == '__main__':
    with exit_codes():
        main()
