"""Several comparisons as one study: resumable, shared between machines, merged, published.

python -m experiments.study configs/studies/quick.py --output runs/study --minutes 60
python -m experiments.study --merge runs/study1 runs/study2 --output runs/study
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cnn_jax.exits import exit_codes, parse_options


@dataclass(frozen=True)
class Options:
    """What to run, or to merge."""

    config: tyro.conf.Positional[Path | None] = None
    """A Python file that defines `config = Study(...)`."""
    output: Annotated[Path | None, tyro.conf.arg(metavar='DIR')] = None
    """The study's folder: a new one, or one to resume."""
    only: tuple[str, ...] | None = None
    """Names of comparisons of the study; by default all."""
    shard: str = '1/1'
    """I/N: every N-th cell, from the I-th on, so that N machines share the work."""
    minutes: float | None = None
    """Stop after this many minutes; the same command resumes."""
    workers: int | None = None
    """Cells to run at once; by default as many as fit on the cores."""
    together: int | None = None
    """Seeds at a time, trained by one program; by default 1 on a CPU, up to 16 on a GPU or TPU."""
    skip: Path | None = None
    """A study's folder, or its compact form, whose cells are not run again; merge both later."""
    merge: tuple[Path, ...] = ()
    """Folders of studies whose cells are merged into --output; nothing is run."""
    mixed_code: bool = False
    """Also merge cells from different code; the tables then say so."""


def main() -> None:
    """Runs the study's cells, or merges studies, and writes the compact form."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.study',
        description='Runs the comparisons of a study into one folder, seed by seed, or merges '
        'studies. Run again, it goes on.',
    )
    from rich.console import Console

    from cnn_jax.compact import read_compact
    from cnn_jax.errors import require
    from cnn_jax.merge import merge
    from cnn_jax.runs.command_line import load_study
    from cnn_jax.runs.comparison import cells_failed
    from cnn_jax.runs.progress import Progress
    from cnn_jax.runs.study import run_study
    from cnn_jax.runs.study_config import chosen

    require(options.output is not None, 'give a folder: --output DIR.')
    assert options.output is not None
    progress = Progress(Console(stderr=True), say_done=False)
    if options.merge:
        require(options.config is None, 'give a config to run, or --merge folders: not both.')
        merged = merge(options.merge, options.output, mixed_code=options.mixed_code)
        progress.line(f'{len(merged.cells)} cells in {options.output}')
        return
    require(options.config is not None, 'give a config, such as configs/studies/quick.py.')
    assert options.config is not None
    parts = re.fullmatch(r'([1-9]\d*)/([1-9]\d*)', options.shard)
    shard = (int(parts[1]), int(parts[2])) if parts else (0, 0)
    require(
        1 <= shard[0] <= shard[1], f'--shard must be I/N, such as 1/2 and 2/2; got {options.shard}.'
    )
    require(
        options.workers is None or options.workers >= 1,
        f'--workers must be at least 1; got {options.workers}.',
    )
    require(
        options.together is None or options.together >= 1,
        f'--together must be at least 1; got {options.together}.',
    )
    require(
        options.minutes is None or options.minutes > 0,
        f'--minutes must be above 0; got {options.minutes}.',
    )
    failed = run_study(
        chosen(load_study(options.config), options.only),
        options.output,
        progress,
        shard=shard,
        workers=options.workers,
        together=options.together,
        seconds=None if options.minutes is None else 60 * options.minutes,
        skip=() if options.skip is None else read_compact(options.skip).cells,
    )
    if failed:
        raise cells_failed(failed)
    progress.line(f'finished: {options.output}')


if __name__ == '__main__':
    with exit_codes():
        main()
