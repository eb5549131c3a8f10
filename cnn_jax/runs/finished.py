"""Whether a cell's folder holds a usable result, and what to do if it does not."""

import traceback
from collections.abc import Callable
from pathlib import Path

from cnn_jax.checksums import CHECKSUMS, RESULT, read_result, write_result
from cnn_jax.errors import BadInput, Damaged, one_line
from cnn_jax.runs.checkpoint import free_name, is_whole

CHECKPOINTS = 'checkpoints'
_SET_ASIDE = 'damaged'


def finished_result(
    folder: Path, last_step: int, *, log: Callable[[str], None] = lambda line: None
) -> dict | None:
    """The cell's result, with all its files checked; None if the cell must be run or resumed.

    It must be run if it is unfinished or failed. A damaged result is moved to the subfolder
    'damaged', and so computed again, if a checkpoint of `last_step` is intact; otherwise this
    raises BadInput and changes nothing, since the damaged files may be the only copy.
    """
    try:
        result = read_result(folder)
    except Damaged as error:
        if not is_whole(folder / CHECKPOINTS, last_step):
            raise BadInput(
                f'{error} No intact checkpoint of the last step is left to make it again from: '
                f'move the folder {folder} away and run again, to train this cell anew.'
            ) from None
        aside = _set_aside(folder)
        log(f'{error} The cell is judged again from its last checkpoint; its files are in {aside}')
        return None
    return None if result is None or result.get('status') == 'failed' else result


def failure(folder: Path) -> str | None:
    """Why the cell failed when it was last tried, or None."""
    result = read_result(folder)
    if result is None or result.get('status') != 'failed':
        return None
    return str(result.get('message'))


def write_failure(folder: Path, error: Exception) -> dict:
    """Records that the cell raised `error`, as its result; the next run tries the cell again."""
    result = {
        'status': 'failed',
        'message': one_line(error),
        'traceback': ''.join(traceback.format_exception(error)),
    }
    return write_result(folder, result, {})


def forget_failure(folder: Path) -> None:
    """Removes the record of a failure, so that the cell can be tried again."""
    for name in (RESULT, CHECKSUMS):
        (folder / name).unlink(missing_ok=True)


def _set_aside(folder: Path) -> Path:
    """Moves the files of a finished cell, except its checkpoints, out of the way."""
    aside = free_name(folder / _SET_ASIDE)
    aside.mkdir()
    names = [p.name for p in folder.iterdir() if p.suffix in ('.json', '.jsonl', '.npz')]
    for name in sorted(names, key=lambda name: name != RESULT):  # the result first: it marks "done"
        (folder / name).rename(aside / name)
    return aside
