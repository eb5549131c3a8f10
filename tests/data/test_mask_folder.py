"""Folders of images and masks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_jax.data import load, load_mask_folder
from cnn_jax.errors import BadInput

DRAW = np.random.default_rng(0)
IDS = DRAW.integers(0, 3, (4, 8, 10)).astype(np.uint8)
PIXELS = DRAW.integers(0, 256, (4, 8, 10, 3), np.uint8)


def write(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def palette(ids: np.ndarray) -> Image.Image:
    image = Image.fromarray(ids)
    image.putpalette(list(range(255, -1, -1)) * 3)
    return image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, part in enumerate(('train', 'train', 'train', 'test')):
        place, name = tmp_path / 'mine' / part, 'cba'[index % 3]
        write(place / 'images' / f'{name}.png', Image.fromarray(PIXELS[index]))
        mask = palette(IDS[index]) if index % 2 else Image.fromarray(IDS[index])
        write(place / 'masks' / f'{name}.png', mask)
    return tmp_path / 'mine'


def test_images_and_masks_are_paired_by_name(folder: Path):
    lines: list[str] = []
    dataset = load(str(folder), log=lines.append)
    assert (dataset.name, dataset.task, dataset.class_names) == (
        'mine',
        'segmentation',
        tuple('012'),
    )
    np.testing.assert_array_equal(dataset.train.images, PIXELS[2::-1])
    np.testing.assert_array_equal(dataset.train.labels, IDS[2::-1])
    np.testing.assert_array_equal(dataset.test.labels, IDS[3:])
    assert lines == ['mine: 3 training and 1 test images with masks of 3 classes, 8x10x3']


def test_classes_have_names_and_pixels_may_be_left_unjudged(folder: Path):
    (folder / 'classes.txt').write_text('road\n\n car \nsky\ntree\n')
    write(folder / 'test' / 'masks' / 'c.png', Image.fromarray(np.where(IDS[3] == 1, 255, IDS[3])))
    dataset = load_mask_folder(folder)
    assert dataset.class_names == ('road', 'car', 'sky', 'tree')
    assert set(np.unique(dataset.test.labels)) == {0, 2, 255}


def test_masks_are_scaled_with_their_images_by_the_nearest_pixel(folder: Path):
    big = IDS[0].repeat(2, 0).repeat(2, 1)
    write(folder / 'train/images/c.png', Image.fromarray(PIXELS[0].repeat(2, 0).repeat(2, 1)))
    write(folder / 'train/masks/c.png', Image.fromarray(big))
    with pytest.raises(BadInput, match='images differ in size: .*: give image_size'):
        load_mask_folder(folder)
    dataset = load_mask_folder(folder, image_size=(8, 8))
    np.testing.assert_array_equal(dataset.train.labels[2], IDS[0][:, 1:9])
    assert dataset.image_shape == (8, 8, 3)


@pytest.mark.parametrize(
    ('file', 'content', 'message'),
    [
        ('train/masks/b.png', None, r'images/b.png has no mask .*masks/b\.\*: each image'),
        ('train/images/b.png', None, r'masks/b.png has no image'),
        ('train/masks/b.png', b'', 'first .*images/b.png .*its mask: UnidentifiedImageError'),
        ('train/masks/b.png', IDS[1][:4], 'its mask is 4x10, the image 8x10'),
        ('train/masks/b.png', PIXELS[1], 'its mask: ValueError: masks are 8-bit .* not RGB'),
        ('train/masks/b.png', IDS[1] + 3, 'b.png holds the class id [345], and .*names 3 classes'),
        ('train/images/b.png', b'x', '1 of 4 images cannot be read, the first .*images/b.png'),
        ('classes.txt', b'a\na\nb\n', 'holds 2 different names in 3 lines'),
        ('train/images/b.jpg', PIXELS[1], 'differ only in their suffix'),
    ],
)
def test_what_is_wrong_is_named(folder: Path, file: str, content, message: str):
    (folder / 'classes.txt').write_text('a\nb\nc\n')
    path = folder / file
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        write(path, Image.fromarray(content))
    with pytest.raises(BadInput, match=message) as error:
        load_mask_folder(folder)
    assert '\n' not in str(error.value)


def test_folders_that_lack_a_part(folder: Path):
    for name in ('a', 'b', 'c'):
        write(folder / f'train/masks/{name}.png', Image.fromarray(IDS[0] * 0 + 255))
    write(folder / 'test/masks/c.png', Image.fromarray(IDS[0] // 3))
    with pytest.raises(BadInput, match='no class but 0: .* write other classes as 1, 2'):
        load_mask_folder(folder)
    (folder / 'test').rename(folder / 'val')
    (folder / 'val/images').rename(folder / 'val/pictures')
    with pytest.raises(BadInput, match='val/images is missing'):
        load_mask_folder(folder)
    (folder / 'val').rename(folder / 'other')
    with pytest.raises(BadInput, match='a folder train but no folder test'):
        load(str(folder), log=print)
