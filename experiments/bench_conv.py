"""Which form of a convolution is fastest on this CPU, forward and for each gradient?

python -m experiments.bench_conv --json runs/bench_conv.json   (the table goes to .md)

Times every form of `cnn_jax.ops.conv_forms` that can compute a shape, in turn in one process; * is
the one that `cnn_jax.ops.conv` uses. Batch 128, or 32 with groups; float32, 'same' padding.
"""

import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cnn_jax.exits import exit_codes, parse_options


class Case(NamedTuple):
    """A convolution of a square map."""

    side: int
    channels: int
    features: int
    window: int
    stride: int = 1
    groups: int = 1


CASES = (
    Case(28, 1, 16, 5),
    Case(14, 16, 32, 5),
    Case(32, 3, 64, 3),
    Case(32, 96, 96, 3, groups=96),
    Case(16, 192, 192, 7, groups=192),
    Case(32, 128, 128, 3, groups=32),
    Case(8, 512, 512, 3, groups=32),
    Case(32, 64, 64, 3),
    Case(16, 64, 128, 3),
    Case(16, 128, 128, 3),
    Case(8, 256, 256, 3),
    Case(4, 512, 512, 3),
    Case(2, 512, 512, 3),
    Case(5, 64, 64, 7),
    Case(32, 64, 128, 3, 2),
    Case(16, 128, 256, 3, 2),
    Case(8, 256, 512, 3, 2),
    Case(16, 256, 64, 1),
    Case(8, 128, 256, 1),
    Case(32, 64, 128, 1, 2),
    Case(28, 1, 32, 5, 2),
    Case(64, 3, 64, 7, 2),
)
DIRECTIONS = ('forward', 'input gradient', 'kernel gradient')


@dataclass(frozen=True)
class Options:
    """What to time."""

    json: Path
    """File for the rows."""
    cases: tuple[int, ...] = tuple(range(len(CASES)))
    """Numbers of the cases in this file, from 0."""
    threads: int = 2
    """CPU threads."""
    rounds: int = 3
    """Every contender is timed once in each round; the median is reported."""
    allocator: str = 'tcmalloc'
    """default, tcmalloc or mimalloc."""


def main() -> None:
    """Times all contenders of each case in turn; prints a table."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.bench_conv',
        description="Times the forms of a convolution beside lax's.",
    )
    from cnn_jax.errors import require, unknown_name
    from cnn_jax.files import write_atomically, write_json
    from experiments.benchmarks import timing

    timing.check_file(options.json)
    require(options.rounds >= 1, '--rounds must be at least 1.')
    if options.allocator not in timing.ALLOCATORS:
        raise unknown_name('allocator', options.allocator, timing.ALLOCATORS)
    require(
        len(options.cases) > 0 and all(0 <= number < len(CASES) for number in options.cases),
        f'--cases must be from 0 to {len(CASES) - 1}.',
    )
    timing.use_threads(options.threads)
    rows = []
    for number in options.cases:
        case = CASES[number]
        with timing.library_process(options.allocator, options.threads) as process:
            times = timing.interleaved([(process, build, (case,))], rounds=options.rounds)
        ms = {name: statistics.median(values) for name, values in times.items()}
        rows.append({'case': case._asdict(), 'ms': ms})
        write_json(options.json, rows)
        print(' '.join(cells(rows[-1])), file=sys.stderr, flush=True)
    write_atomically(options.json.with_suffix('.md'), markdown(rows).encode())
    print(markdown(rows), end='')


def build(case: Case) -> dict[str, Callable[[], object]]:
    """The calls to time, by '<form> <direction>'; the form that `ops.conv` uses is '*<form>'."""
    import jax

    from cnn_jax.ops import output_size
    from cnn_jax.ops.conv_forms import form_for_cpu, forms

    images = 128 if case.groups == 1 else 32
    keys = jax.random.split(jax.random.key(0))
    x = jax.random.normal(keys[0], (images, case.side, case.side, case.channels))
    shape = (case.window, case.window, case.channels // case.groups, case.features)
    kernel = jax.random.normal(keys[1], shape) / case.window
    pairs = (((case.window - 1) // 2, case.window // 2),) * 2
    out = output_size(x.shape[1:3], window=case.window, stride=case.stride, padding=pairs)
    shapes = {'strides': (case.stride, case.stride), 'groups': case.groups, 'out': out}
    able = forms(x, kernel, pairs=pairs, **shapes)
    taken = form_for_cpu(x, kernel, **shapes)
    g = able['lax'](x, kernel)
    calls = {}
    for name, conv in able.items():
        if name == 'columns' and name != taken and case.stride == 1 and case.window > 1:
            continue  # k * k copies of a large map: gigabytes, and slower than all others
        shown = f'*{name}' if name == taken else name
        calls |= {
            f'{shown} forward': _call(jax.jit(conv), (x, kernel)),
            f'{shown} input gradient': _call(jax.jit(_input_gradient(conv)), (x, kernel, g)),
            f'{shown} kernel gradient': _call(jax.jit(_kernel_gradient(conv)), (x, kernel, g)),
        }
    return calls


def _input_gradient(conv: Callable) -> Callable:
    import jax

    return lambda x, kernel, g: jax.vjp(lambda x: conv(x, kernel), x)[1](g)


def _kernel_gradient(conv: Callable) -> Callable:
    import jax

    return lambda x, kernel, g: jax.vjp(lambda kernel: conv(x, kernel), kernel)[1](g)


def _call(program: Callable, arguments: Sequence) -> Callable[[], object]:
    import jax

    return lambda: jax.block_until_ready(program(*arguments))


def cells(row: dict) -> list[str]:
    """A row's figures as they are shown."""
    case, ms = Case(**row['case']), row['ms']
    names = list(dict.fromkeys(name.split(' ')[0] for name in ms))
    by_form = {name: [ms[f'{name} {d}'] for d in DIRECTIONS] for name in names}
    shown = [
        f'{name} ' + ' / '.join(f'{value:.{int(value < 5)}f}' for value in values)
        for name, values in by_form.items()
    ]
    taken = next(name for name in names if name.startswith('*'))
    lax = by_form.get('lax', by_form[taken])
    return [', '.join(map(str, case)), '; '.join(shown), f'{sum(by_form[taken]) / sum(lax):.2f}']


def markdown(rows: Sequence[dict]) -> str:
    """All rows as a Markdown table."""
    from experiments.benchmarks.table import as_markdown

    head = [', '.join(Case._fields), 'ms: forward, d input, d kernel', '* / lax']
    return as_markdown(head, map(cells, rows))


if __name__ == '__main__':
    with exit_codes():
        main()
