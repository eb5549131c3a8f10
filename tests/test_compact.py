"""The compact form of a study: what it keeps, and what a reader refuses."""

import itertools
import json
import os
import shutil
from pathlib import Path

import pytest

from cnn_jax.checksums import read_sealed, sealed, write_sealed
from cnn_jax.compact import (
    Compact,
    cells_counted,
    is_study,
    read_compact,
    save_compact,
    write_compact,
)
from cnn_jax.errors import BadInput, Damaged
from tests.studies import contents, made, resealed


def test_damage_is_named(tmp_path: Path):
    with pytest.raises(BadInput, match='no study.json in'):
        read_compact(tmp_path)
    study = made(tmp_path / 'study', {'max0': 0.9, 'avg0': 0.8})
    whole = contents(study)

    def restore() -> None:
        for name, content in whole.items():
            (study / name).write_bytes(content)

    (study / 'study.json').write_bytes(whole['study.json'].replace(b'convnet3', b'convnet4'))
    with pytest.raises(Damaged, match=r'study.json is damaged'):
        read_compact(study)
    restore()
    (study / 'cells.jsonl').write_bytes(whole['cells.jsonl'][:-20])
    with pytest.raises(Damaged, match=r'cells.jsonl, line 2, is damaged'):
        read_compact(study)
    restore()
    (study / 'cells.jsonl').write_bytes(whole['cells.jsonl'].replace(b'0.9', b'0.8', 1))
    with pytest.raises(Damaged, match=r'line 2, is damaged: it does not match its own SHA-256'):
        read_compact(study)
    restore()
    (study / 'environments.json').write_bytes(whole['environments.json'].replace(b'3.13', b'3.12'))
    with pytest.raises(Damaged, match=r'environments.json is damaged: .* is not the hash'):
        read_compact(study)
    restore()
    (study / 'cells.jsonl').write_text(json.dumps(sealed({'cell': 'max0'})) + '\n')
    with pytest.raises(Damaged, match='line 1, is damaged: a field is missing'):
        read_compact(study)
    restore()
    (study / 'environments.json').write_text('{}')
    with pytest.raises(BadInput, match='lacks the environment of cell'):
        read_compact(study)
    restore()
    (study / 'cells.jsonl').unlink()
    with pytest.raises(Damaged, match='cells.jsonl cannot be read'):
        read_compact(study)


def test_figures_that_are_missing(tmp_path: Path):
    study = made(tmp_path / 'study', {'max0': 0.9})
    resealed(study, consistency=None)
    with pytest.raises(Damaged, match='line 1, is damaged: its result lacks figures'):
        read_compact(study)


def test_nothing_finished_yet(tmp_path: Path):
    write_compact('empty', tmp_path)
    assert read_compact(tmp_path).cells == {}


def saved_up_to(writes: int, patch: pytest.MonkeyPatch, target: Path, wanted: Compact) -> bool:
    """Saves the compact form in a process that is killed after so many writes; whether it ended."""
    left = iter(range(writes))

    def fsync(_: int) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    with patch.context() as context:
        context.setattr(os, 'fsync', fsync)
        try:
            save_compact(target, wanted)
        except KeyboardInterrupt:
            return False
    return True


def test_a_kill_between_any_two_writes_leaves_what_can_be_read(tmp_path: Path, monkeypatch):
    forms = {
        'old': made(tmp_path / 'old', {'max0': 0.9, 'avg0': 0.8}),
        'grown': made(tmp_path / 'grown', {'max0': 0.9, 'avg0': 0.8, 'max1': 0.7}),
        'other code': made(tmp_path / 'code', {'max0': 0.91, 'avg0': 0.8}, code='xyz'),
        'fewer': made(tmp_path / 'fewer', {'avg0': 0.8}),
        'nothing': made(tmp_path / 'nothing', {}),
    }
    read = {name: read_compact(folder) for name, folder in forms.items()}
    target = tmp_path / 'target'
    for before, after in itertools.permutations(forms, 2):
        ended, writes = False, 0
        while not ended:
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(forms[before], target)
            ended = saved_up_to(writes, monkeypatch, target, read[after])
            found, sides = read_compact(target), (read[before], read[after])
            assert cells_counted(target) == sorted(found.cells)
            assert found.cells.keys() in [side.cells.keys() for side in sides]
            for name, row in found.cells.items():
                assert row in [side.cells.get(name) for side in sides]
                assert row['environment'] in found.environments
            save_compact(target, read[after])
            assert contents(target) == contents(forms[after])
            writes += 1
        assert writes >= 4  # the last of them was not killed


def test_a_first_form_that_was_killed_is_none(tmp_path: Path, monkeypatch):
    wanted = made(tmp_path / 'wanted', {'max0': 0.9})
    for writes in range(3):
        target = tmp_path / str(writes)
        assert not saved_up_to(writes, monkeypatch, target, read_compact(wanted))
        assert not is_study(target)
        save_compact(target, read_compact(wanted))
        assert contents(target) == contents(wanted)


def test_lines_that_are_lost_or_repeated_are_refused(tmp_path: Path):
    study = made(tmp_path / 'study', {'max0': 0.9, 'avg0': 0.8, 'max1': 0.7})
    whole = (study / 'cells.jsonl').read_text()
    lines = whole.splitlines(keepends=True)
    for number, name in enumerate(('avg0', 'max0', 'max1')):
        (study / 'cells.jsonl').write_text(''.join(lines[:number] + lines[number + 1 :]))
        with pytest.raises(Damaged, match=rf'lacks 1 of the 3 .* the first of them {name}\.'):
            read_compact(study)
    (study / 'cells.jsonl').write_text('')
    with pytest.raises(Damaged, match='lacks 3 of the 3 cells that study.json counts'):
        read_compact(study)
    assert cells_counted(study) == ['avg0', 'max0', 'max1']
    (study / 'cells.jsonl').write_text(whole + lines[1])
    with pytest.raises(Damaged, match='line 4, is damaged: cell max0 has a line above it already'):
        read_compact(study)


def test_the_form_of_earlier_versions_is_read_and_saved_anew(tmp_path: Path):
    study = made(tmp_path / 'study', {'max0': 0.9, 'avg0': 0.8})
    now, read = contents(study), read_compact(study)
    older = {k: v for k, v in read_sealed(study / 'study.json').items() if k != 'finished'}
    write_sealed(study / 'study.json', older)
    assert read_compact(study) == read and cells_counted(study) == ['avg0', 'max0']
    (study / 'environments.json').write_text('{}')  # as a kill of an earlier version left it
    with pytest.raises(Damaged, match='lacks the environment of cell'):
        read_compact(study)
    assert cells_counted(study) == ['avg0', 'max0']
    save_compact(study, read)
    assert contents(study) == now


def test_the_committed_study_is_in_the_form_of_this_version():
    study = Path(__file__).parents[1] / 'experiments/results/studies/quick'
    assert read_sealed(study / 'study.json')['finished'] == list(read_compact(study).cells)
