"""The user's own images: folders of files, and Hugging Face's data sets."""

import numpy as np
import pytest
from PIL import Image

from cnn_jax.data import from_hugging_face, image_files, image_folder, load, load_image_folder
from cnn_jax.errors import BadInput


def write(folder, name, image=None, size=(6, 4)):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or Image.new('RGB', size, (10, 20, 30))).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two classes of ten colour images each, each of one value."""
    for i in range(10):
        write(tmp_path, f'pets/cat/{i}.png', Image.new('RGB', (6, 4), (i, 0, 0)))
        write(tmp_path, f'pets/dog/{i}.png', Image.new('RGB', (6, 4), (0, i, 0)))
    return tmp_path / 'pets'


def test_a_folder_is_split_by_class_and_always_alike(folder, monkeypatch):
    lines = []
    dataset = load(str(folder), log=lines.append)
    assert dataset.name == 'pets' and dataset.class_names == ('cat', 'dog')
    assert dataset.image_shape == (4, 6, 3)
    assert np.bincount(dataset.train.labels).tolist() == [8, 8]
    assert np.bincount(dataset.test.labels).tolist() == [2, 2]
    both = np.concatenate([dataset.train.images, dataset.test.images])
    assert sorted(both[:, 0, 0, :2].max(1).tolist()) == sorted([*range(10)] * 2)
    assert 'a test split of 20% of each class was drawn' in lines[0]
    assert load_image_folder(folder).fingerprint == dataset.fingerprint
    monkeypatch.chdir(folder.parent)
    assert load('pets', log=print).fingerprint == dataset.fingerprint


@pytest.mark.parametrize('name', ['test', 'val'])
def test_a_split_of_its_own_is_kept(folder, tmp_path, name):
    (tmp_path / 'root').mkdir()
    folder.rename(tmp_path / 'root' / 'train')
    write(tmp_path, f'root/{name}/cat/a.png')
    write(tmp_path, f'root/{name}/dog/b.png')
    dataset = load_image_folder(tmp_path / 'root')
    assert (len(dataset.train), len(dataset.test)) == (20, 2)
    write(tmp_path, f'root/{name}/cow/b.png')
    with pytest.raises(BadInput, match='cow is a class that has no training images'):
        load_image_folder(tmp_path / 'root')


def test_modes_and_rotations_become_pixels(folder):
    grey16 = Image.fromarray(np.full((4, 6), 51200, np.uint16))
    palette = Image.new('RGB', (6, 4), (200, 100, 0)).quantize(2)
    turned = Image.new('RGB', (4, 6), (1, 2, 3))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(folder / 'cat' / 'turned.jpg', exif=exif)
    for name, image in (
        ('grey16', grey16),
        ('palette', palette),
        ('alpha', Image.new('RGBA', (6, 4), (9, 9, 9, 0))),
        ('one', Image.new('1', (6, 4), 1)),
    ):
        write(folder, f'cat/{name}.png', image)
    write(folder, 'cat/cmyk.jpg', Image.new('CMYK', (6, 4)))
    dataset = load_image_folder(folder)
    found = {tuple(v) for v in np.concatenate([dataset.train.images, dataset.test.images])[:, 0, 0]}
    assert {(200, 200, 200), (200, 100, 0), (9, 9, 9), (255, 255, 255)} <= found


def test_grey_images_stay_grey(tmp_path):
    for kind in 'ab':
        for i in range(3):
            write(tmp_path, f'g/{kind}/{i}.png', Image.new('L', (5, 5), 7))
    assert load_image_folder(tmp_path / 'g').image_shape == (5, 5, 1)


def test_sizes_that_differ_need_one(folder):
    write(folder, 'cat/large.png', size=(12, 8))
    with pytest.raises(BadInput, match=r'is 4x6, .*large.png 8x12: give image_size'):
        load_image_folder(folder)
    dataset = load(str(folder), image_size=(8, 8), log=print)
    assert dataset.image_shape == (8, 8, 3)


def test_other_files_are_left_out_and_counted(folder):
    lines = []
    (folder / 'cat' / 'notes.txt').write_text('x')
    (folder / '.hidden').mkdir()
    assert len(load_image_folder(folder, log=lines.append).train) == 16
    assert '1 files that are no images were left out' in lines[0]


@pytest.mark.parametrize('size', [None, (4, 4)])
def test_images_that_cannot_be_read_are_named(folder, size):
    bad = folder / 'dog' / '3.png'
    bad.write_bytes(bad.read_bytes()[:60])
    (folder / 'dog' / '4.png').write_bytes(b'')
    with pytest.raises(
        BadInput, match=r'[12] of 20 images cannot be read, the first .*dog/[34].png'
    ):
        load_image_folder(folder, image_size=size)


def test_sixteen_bits_are_read_alike_whatever_they_hold_and_other_numbers_refused(tmp_path):
    for value, kind in ((200, 'dark'), (51200, 'light')):
        for i in range(2):
            write(tmp_path, f'g/{kind}/{i}.png', Image.fromarray(np.full((4, 4), value, np.uint16)))
    dataset = load_image_folder(tmp_path / 'g')
    assert sorted({*dataset.train.images.ravel(), *dataset.test.images.ravel()}) == [0, 200]
    for array, said in (
        (np.full((4, 4), 0.7, np.float32), 'floats'),
        (np.full((4, 4), 70000, np.int32), 'beyond 16 bits'),
    ):
        write(tmp_path, 'g/dark/0.tiff', Image.fromarray(array))
        with pytest.raises(BadInput, match=f'dark/0.tiff .*{said}'):
            load_image_folder(tmp_path / 'g')


def test_links_hidden_files_and_names_of_splits(folder, tmp_path):
    (folder / 'cat' / '._0.png').write_bytes(b'x')
    (folder / '__MACOSX').mkdir()
    write(tmp_path, 'more/10.png', Image.new('RGB', (6, 4), (10, 0, 0)))
    (folder / 'cat' / 'more').symlink_to(tmp_path / 'more')
    (folder / 'cat' / 'loop').symlink_to(folder / 'cat')
    dataset = load_image_folder(folder)
    assert len(dataset.train) + len(dataset.test) == 21
    (folder / 'Train').mkdir()
    with pytest.raises(BadInput, match='needs both a folder train and a folder test, or neither'):
        load_image_folder(folder)


def test_whatever_pillow_raises_is_told_with_the_file(folder, monkeypatch):
    """A rotation that is text, for one."""
    monkeypatch.setattr(Image.Exif, 'get', lambda self, key, default: 'six')
    with pytest.raises(BadInput, match='20 of 20 images cannot be read, the first .*cat/0.png'):
        load_image_folder(folder)


def test_pixels_cannot_be_changed_by_what_looks_at_them(folder):
    dataset = load_image_folder(folder)
    with pytest.raises(ValueError, match='read-only'):
        dataset.test.images[:] = 0


def test_too_much_for_the_memory_is_refused_before_it_is_read(folder, monkeypatch):
    monkeypatch.setattr(image_files, '_MEMORY_SHARE', 1e-12)
    monkeypatch.setattr(image_folder, '_decoded', None)
    with pytest.raises(BadInput, match='20 images of 4x6x3 take 0.0 GB; .* smaller image_size'):
        load_image_folder(folder)


def test_folders_that_hold_no_classes(tmp_path):
    (tmp_path / 'empty').mkdir()
    write(tmp_path, 'one/cat/a.png')
    (tmp_path / 'bare' / 'cat').mkdir(parents=True)
    (tmp_path / 'bare' / 'dog').mkdir()
    for i in range(2):
        write(tmp_path, f'single/cat/{i}.png')
    write(tmp_path, 'single/dog/a.png')
    for name, said in (
        ('empty', 'empty has 0 folders in it: give one folder of images for each class'),
        ('one', 'one has 1 folders'),
        ('bare', 'cat holds no images'),
        ('single', 'class dog has one image'),
    ):
        with pytest.raises(BadInput, match=said):
            load(str(tmp_path / name), log=print)
    with pytest.raises(BadInput, match='there is no such folder of images'):
        load('./gone', log=print)


class Rows(list):
    """Rows with features, as Hugging Face's data sets have them."""

    def __init__(self, rows, names):
        super().__init__(rows)
        self.features = {'label': type('ClassLabel', (), {'names': names})}


def test_hugging_face_data_sets(unchecked):
    rows = [{'image': Image.new('L', (4, 4), 9 * i), 'label': i % 2} for i in range(6)]
    data = {'train': Rows(rows, ['a', 'b']), 'test': Rows(rows[:2], ['a', 'b'])}
    dataset = from_hugging_face(data, name='mine')
    assert dataset.class_names == ('a', 'b') and dataset.image_shape == (4, 4, 1)
    assert dataset.train.images[:, 0, 0, 0].tolist() == [0, 9, 18, 27, 36, 45]
    colour = [{'image': Image.new('RGB', (4, 6)), 'label': np.int64(0)}, *rows]
    for train, test in ((colour, rows), (rows, colour)):  # the channels are those of both
        mixed = from_hugging_face({'train': train, 'test': test}, name='m', image_size=(4, 4))
        assert mixed.image_shape == (4, 4, 3)
    for changed, said in (
        ({'train': rows}, "no split 'test'; it has train"),
        ({'train': rows, 'test': []}, "split 'test' is empty"),
        ({'train': [{**rows[0], 'label': 2**40}], 'test': rows}, 'whole numbers from 0 on'),
        (rows, 'give a DatasetDict; got list'),
        ({'train': colour, 'test': rows}, 'differ in size'),
        (
            {'train': [{'img': 1}], 'test': rows},
            "column 'image' must hold images; the rows have img",
        ),
        ({'train': [{**rows[0], 'label': 'a'}], 'test': rows}, "'label' must hold whole numbers"),
    ):
        with pytest.raises(BadInput, match=said):
            from_hugging_face(changed, name='mine')
