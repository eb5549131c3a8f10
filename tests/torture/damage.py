"""Part two: flipped bits, truncated, empty and deleted files; readers must notice, or repair.

Runs in one process that has started JAX; nothing here is killed.
"""

import contextlib
import io
import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnn_jax.errors import BadInput
from tests.torture.judge import difference, fingerprint
from tests.torture.program import RECIPE, ROOT
from tests.torture.tally import Tally

Log = list[str]


@dataclass(frozen=True)
class Reader:
    """`read(folder, log)` is what a program gets out of a folder; equal where nothing is wrong."""

    name: str
    base: Path
    read: Callable[[Path, Log], Any]
    flips: int
    places: str = '**/*'
    may_lack: tuple[str, ...] = ()
    """Ends of names of files without which the rest is taken, and said, to be not finished."""

    def files(self) -> list[str]:
        """The files to damage; an empty one cannot be, and locks are never read."""
        found = sorted(p for p in self.base.glob(self.places) if p.is_file() and p.name != 'lock')
        return [str(p.relative_to(self.base)) for p in found if p.stat().st_size]


def damages(content: bytes, flips: int, draw: random.Random) -> Iterator[tuple[str, bytes | None]]:
    """Kinds of damage and the content after it; None is a deleted file."""
    yield 'deleted', None
    yield 'emptied', b''
    yield 'cut in half', content[: len(content) // 2]
    yield 'last byte cut', content[:-1]
    for _ in range(flips):
        position = draw.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        yield 'bit flipped', bytes(flipped)


def trials(reader: Reader, seed: int) -> Iterator[tuple[str, str, int]]:
    """Name, kind and number of every damage that the reader meets."""
    for name in reader.files():
        content = (reader.base / name).read_bytes()
        for number, (kind, _) in enumerate(damages(content, reader.flips, random.Random(seed))):
            yield name, kind, number


def trial(
    reader: Reader, expected: Any, work: Path, name: str, number: int, seed: int
) -> tuple[str, dict]:
    """The outcome of one damage, and what was violated."""
    folder = work / 'damaged-copy'
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(reader.base, folder)
    path, log = folder / name, []
    wanted = list(damages(path.read_bytes(), reader.flips, random.Random(seed)))[number][1]
    path.unlink()
    if wanted is not None:
        path.write_bytes(wanted)
    lacks = wanted is None and name.endswith(reader.may_lack or ('?',))
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            found = reader.read(folder, log)
    except BadInput as error:
        message = str(error)
        wrong = {} if len(message.splitlines()) <= 2 else {'more than two lines': message}
        if not lacks and not _names(' '.join([message, *log]), name):
            wrong['file not named'] = message
        return 'named', wrong
    except BaseException as error:
        return 'traceback', {'traceback': f'{type(error).__name__}: {error}'[:500]}
    wrong = {'traceback': said.getvalue()[-500:]} if 'Traceback' in said.getvalue() else {}
    if found == expected:
        return ('repaired' if log else 'the same'), wrong
    if lacks:
        return 'said', wrong if _names(' '.join(log), name) else {'file not named': log}
    kind = 'differing' if _names(' '.join(log), name) else 'silently wrong'
    return 'used', {**wrong, kind: _unlike(found, expected)}


def _unlike(found: Any, expected: Any) -> str:
    if isinstance(found, dict) and isinstance(expected, dict):
        return str({kind: names[:5] for kind, names in difference(found, expected).items()})
    return f'{found!r:.300} instead of {expected!r:.300}'


def _names(message: str, name: str) -> bool:
    """Whether the file is named, or the checkpoint that it belongs to."""
    parts = Path(name).parts
    if 'checkpoints' in parts:
        where = parts.index('checkpoints')
        return '/'.join(parts[: where + 2]) in message or (
            'no intact checkpoint' in message and parts[1] in message
        )
    return Path(name).name in message


def campaign(
    readers: list[Reader], work: Path, seed: int, share: slice, tally: Tally
) -> Iterator[None]:
    """This share of all damages of all readers' files, in a random order."""
    warnings.simplefilter('ignore')
    expected = []
    for reader in readers:
        folder = work / 'damaged-copy'
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(reader.base, folder)
        expected.append(reader.read(folder, []))
    every = [(which, *t) for which, reader in enumerate(readers) for t in trials(reader, seed)]
    random.Random(seed).shuffle(every)
    for which, name, kind, number in every[share]:
        reader = readers[which]
        outcome, wrong = trial(reader, expected[which], work, name, number, seed)
        tally.add(f'{reader.name}: {kind}', [reader.name, name, kind, number], outcome, wrong)
        yield


def run_readers(finished: Path, partial: Path, scale: int) -> list[Reader]:
    """What reads a run's folder: a report, a gallery, and the same command again."""
    from rich.console import Console

    from cnn_jax.data import load
    from cnn_jax.gallery import choose_networks
    from cnn_jax.reports.run import read_run, read_shift_maps
    from cnn_jax.runs import comparison
    from cnn_jax.runs.cell import run_cell
    from cnn_jax.runs.command_line import parse
    from cnn_jax.runs.progress import Progress

    recipe = [str(ROOT / RECIPE[0]), *RECIPE[1:], '--output', 'unused']
    options = parse(recipe, program='torture', description='')
    dataset = load('shapes_tiny', log=lambda _: None)

    def report(folder: Path, log: Log) -> Any:
        run = read_run(folder)
        maps = [read_shift_maps(cell) for cell in run.cells]
        arrays = [a.tobytes() for m in maps if m for a in (m.maps, m.images, m.labels)]
        log += [f'{cell.folder}/result.json' for cell in run.cells if cell.status == 'missing']
        return repr(run), arrays

    def gallery(folder: Path, log: Log) -> Any:
        import jax

        chosen = choose_networks(folder)
        networks = chosen.networks(dataset, log=log.append)
        weights = [jax.tree.leaves(network.variables) for network in networks.values()]
        return chosen.title, chosen.note, [np.asarray(a).tobytes() for ws in weights for a in ws]

    def in_process(cells, folders, given, events, **_) -> dict:
        return {
            key: run_cell(cell, folders[key], given, trust_backend=True, log=events.log)
            for key, cell in cells.items()
        }

    comparison.run_cells = in_process

    def again(folder: Path, log: Log) -> Any:
        text = io.StringIO()
        progress = Progress(Console(file=text, width=10_000))
        comparison.run_comparison(options.comparison, folder, dataset, progress)
        log += [line for line in text.getvalue().splitlines() if 'damaged' in line]
        log += [line for line in text.getvalue().splitlines() if 'is missing' in line]
        found = fingerprint(folder)
        return {k: v for k, v in found.items() if '/damaged/' not in k and '.damaged' not in k}

    few, many = scale, 20 * scale
    cells = 'cells/*/*.*'
    return [
        Reader('report', finished, report, many, 'comparison.json'),
        Reader('report', finished, report, many, cells, ('result.json',)),
        Reader('gallery', finished, gallery, few, 'comparison.json'),
        Reader('gallery', finished, gallery, few, 'cells/**/*', ('result.json',)),
        Reader('finished run again', finished, again, few, 'comparison.json'),
        Reader('finished run again', finished, again, few, cells),
        Reader('cut-off run again', partial, again, few, 'comparison.json'),
        Reader('cut-off run again', partial, again, few, 'cells/**/*'),
    ]
