"""The gallery of a run, from its command line."""

import re
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from cnn_jax.exits import exit_codes
from experiments import compare_pooling, gallery


def call(program, *arguments, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['program', *map(str, arguments)])
    with exit_codes():
        program.main()


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp('gallery') / 'run'
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        arguments = 'configs/shapes/tiny.py', '--output', folder, '--seeds', '0', '--workers', '1'
        root = gallery.__file__.rsplit('/', 2)[0]
        call(compare_pooling, f'{root}/{arguments[0]}', *arguments[1:], monkeypatch=patch)
    return folder


def test_gallery_of_a_run_and_its_link(run, monkeypatch, tmp_path):
    assert 'gallery.html' not in (run / 'report.html').read_text()
    call(gallery, run, '--images', '20', monkeypatch=monkeypatch)
    page = (run / 'gallery.html').read_text()
    assert '<a href="gallery.html">' in (run / 'report.html').read_text()
    assert '](gallery.html)' in (run / 'report.md').read_text()
    assert 'trained for' in page and page.count('<h2>') == 9
    assert re.search(r'Of these 20 test images, .*: max is right on \d+% and answers alike', page)
    assert re.search(r'of the pooling layers: pool\d in max \(\d\.\d\d\), pool\d in max_blur', page)
    assert not re.search(r'(src|href)="(?!data:)', page) and '<script' not in page
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(pictures) == 15
    frames = [picture for picture in pictures if _frames(picture) > 1]
    assert len(frames) == 1 and _frames(frames[0]) == 9  # moves of up to 28 // 7 pixels


def _frames(encoded):
    import base64
    import io

    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        assert np.asarray(picture.convert('L')).std() > 5  # not blank
        return getattr(picture, 'n_frames', 1)


def test_bad_input(run, monkeypatch, tmp_path, capsys):
    damaged = tmp_path / 'damaged'
    shutil.copytree(run, damaged)
    for checkpoints in damaged.glob('cells/*/checkpoints'):
        shutil.rmtree(checkpoints)
    cases = {
        (damaged,): 'no intact checkpoint',
        (tmp_path / 'nothing',): 'is not there',
        (run, '--strategies', 'maxx'): "did you mean 'max'",
        (run, '--seed', '5'): 'no seed 5 of max finished',
        (run, '--image', '64'): '--image must be from 0 to 63',
        (run, '--images', '0'): '--images must be at least 1',
    }
    for number, (arguments, said) in enumerate(cases.items()):
        output = tmp_path / str(number)
        with pytest.raises(SystemExit) as end:
            call(gallery, *arguments, '--output', output, monkeypatch=monkeypatch)
        err = capsys.readouterr().err
        assert end.value.code == 2 and said in err, err
        assert not output.exists()
