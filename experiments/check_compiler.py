"""For which of our own programs does XLA:CPU return wrong numbers when its fusions are on?

python -m experiments.check_compiler --json runs/check_compiler.json   (the table goes to .md)

Every strategy, every training step of configs/fashion_mnist and every model is compiled in float32
with the fusions that `cnn_jax.xla_flags` switches off, and without them, as in the tests; every
strategy, and whatever differs by more than usual rounding, also in float64 without them, which
serves as the reference. A figure is the largest relative error of an array of outputs, gradients or
statistics. 110 programs, an hour or two on two cores; an interrupted run resumes. The first program
is the known fault: it shows that the fusions were on.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cnn_jax.exits import exit_codes, parse_options

COLUMNS = ('program', 'fusions on', 'fusions off', 'on beside off')
WRONG = 1e-2  # rounding errors are smaller
IN_DOUBLE = ('fault', 'strategy')  # kinds whose random numbers, if any, are not drawn here


@dataclass(frozen=True)
class Options:
    """What to compile."""

    json: Path
    """File for the rows."""
    only: tuple[str, ...] = ()
    """Programs, or kinds of them (fault, strategy, step, model), to compile; none means all."""


def main() -> None:
    """Runs the programs in three processes; prints a table."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.check_compiler',
        description='Compares what our programs compute with and without fusions of XLA:CPU.',
    )
    from cnn_jax.errors import require, unknown_name
    from cnn_jax.files import read_json, write_atomically, write_json
    from cnn_jax.runs.environment import describe_environment
    from experiments.benchmarks.compiled import programs
    from experiments.benchmarks.timing import check_file

    check_file(options.json)
    known = programs()
    kinds = {name.split()[0] for name in known}
    for name in options.only:
        if name not in {*known, *kinds}:
            raise unknown_name('program', name, [*known, *kinds])
    chosen = [p for p in known if not options.only or {p, p.split()[0]} & set(options.only)]
    environment = describe_environment()
    rows: dict[str, dict] = {}
    if options.json.exists():
        old = read_json(options.json)
        require(
            old.get('environment', {}).get('packages') == environment['packages'],
            f'{options.json} was made with other packages: name another file.',
        )
        rows = {row['program']: row for row in old['programs']}
    for row in measured([program for program in chosen if program not in rows]):
        rows[row['program']] = row
        write_json(
            options.json,
            {
                'environment': environment,
                'programs': [rows[name] for name in known if name in rows],
            },
        )
        print(' | '.join(cells(row)), file=sys.stderr, flush=True)
    table = markdown([rows[name] for name in known if name in rows])
    write_atomically(options.json.with_suffix('.md'), table.encode())
    print(table, end='')


def measured(chosen: Sequence[str]) -> Iterator[dict]:
    """Yields the row of each program."""
    from cnn_jax.xla_flags import FLAG
    from experiments.benchmarks.compiled import compute, error
    from experiments.benchmarks.timing import process_with

    flags = {'on': '', 'off': FLAG, 'right': FLAG}
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(process_with({'XLA_FLAGS': value}))
            for name, value in flags.items()
        }
        for program in chosen:
            double = program.split()[0] in IN_DOUBLE
            waiting = {
                name: process.submit(compute, program, double=name == 'right')
                for name, process in processes.items()
                if double or name != 'right'
            }
            found = {name: future.result() for name, future in waiting.items()}
            if error(found['on'], found['off']) > WRONG and not double:
                found['right'] = processes['right'].submit(compute, program, double=True).result()
                double = True
            yield {
                'program': program,
                'on': error(found['on'], found['right']) if double else None,
                'off': error(found['off'], found['right']) if double else None,
                'on_beside_off': error(found['on'], found['off']),
            }


def is_wrong(row: Mapping) -> bool:
    """Whether the fusions change a program beyond rounding.

    Deep networks round by more than `WRONG`, both with the fusions and without.

    >>> is_wrong({'on': None, 'on_beside_off': 2e-6}), is_wrong({'on': 0.9, 'off': 1e-7})
    (False, True)
    >>> is_wrong({'on': 0.019, 'off': 0.019})
    False
    """
    return row['on'] is not None and row['on'] > max(WRONG, 10 * row['off'])


def cells(row: Mapping) -> list[str]:
    """A row's figures as they are shown."""
    figures = ['' if row[k] is None else f'{row[k]:.1e}' for k in ('on', 'off', 'on_beside_off')]
    return [row['program'] + (' (wrong)' if is_wrong(row) else ''), *figures]


def markdown(rows: Sequence[Mapping]) -> str:
    """All rows as a Markdown table."""
    from experiments.benchmarks.table import as_markdown

    return as_markdown(COLUMNS, map(cells, rows))


if __name__ == '__main__':
    with exit_codes():
        main()
