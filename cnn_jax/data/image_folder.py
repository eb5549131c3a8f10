"""The user's own images: a folder with one folder of images per class."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from cnn_jax.data.dataset import Dataset, Split
from cnn_jax.data.hashing import random_bits
from cnn_jax.data.image_files import (
    SUFFIXES,
    TEST_NAMES,
    Shape,
    as_pixels,
    check_memory,
    common_shape,
    contents,
    each_path,
    files_below,
)
from cnn_jax.data.resize import ImageSize, checked_size, fit_image
from cnn_jax.errors import require

TEST_FRACTION = 0.2  # of each class, if a folder has no train and test folders
Labelled = list[tuple[Path, int]]


def load_image_folder(
    folder: Path,
    *,
    image_size: tuple[int, int] | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Dataset:
    """The images in FOLDER/CLASS/*, or in FOLDER/train/CLASS/* and FOLDER/test/CLASS/*.

    Classes are the folders' names in order. Without train and test folders a fifth of each class,
    chosen by hash, becomes the test split. If all images are grey they stay grey; otherwise all
    become RGB, without alpha; EXIF rotations are applied. Every image is scaled and cropped to
    `image_size` (height, width), which is required if sizes differ. Other files are skipped, and
    counted in a line of `log`.

    Raises BadInput, with the file or the size, for a folder without images, a single class, images
    that cannot be read or differ in size, and more images than fit in half of the free memory.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     for kind, grey in (('dark', 0), ('light', 255)):
    ...         (Path(name) / kind).mkdir()
    ...         for i in range(5):
    ...             Image.new('L', (8, 6), grey).save(Path(name) / kind / f'{i}.png')
    ...     dataset = load_image_folder(Path(name))
    >>> dataset.image_shape, dataset.class_names, len(dataset.train), len(dataset.test)
    ((6, 8, 1), ('dark', 'light'), 8, 2)
    """
    inside = {p.name.lower(): p for p in contents(folder) if p.is_dir()}
    tests = [inside[name] for name in TEST_NAMES if name in inside]
    own_split = 'train' in inside and bool(tests)
    require(
        own_split or not ({'train', *TEST_NAMES} & inside.keys()),
        f'{folder} needs both a folder train and a folder test, or neither; '
        f'it has {", ".join(sorted(p.name for p in inside.values()))}.',
    )
    places = [inside['train'], tests[0]] if own_split else [folder]
    classes = _classes(places[0])
    listed = [_images(place, classes) for place in places]
    paths = [path for images, _ in listed for path, _ in images]
    shape = common_shape(paths, None if image_size is None else checked_size(image_size))
    check_memory(folder, len(paths), shape)
    splits = [_decoded(images, shape) for images, _ in listed]
    train, test = splits if own_split else _split(splits[0], classes)
    left_out = sum(others for _, others in listed)
    log(
        f'{folder.name}: {len(train):,} training and {len(test):,} test images of '
        f'{len(classes)} classes, {"x".join(map(str, shape))}'
        + ('' if own_split else f' (a test split of {TEST_FRACTION:.0%} of each class was drawn)')
        + (f'; {left_out} files that are no images were left out' if left_out else '')
    )
    return Dataset(folder.name, train, test, tuple(classes))


def _classes(place: Path) -> list[str]:
    names = sorted(p.name for p in contents(place) if p.is_dir())
    require(
        len(names) >= 2,
        f'{place} has {len(names)} folders in it: give one folder of images for each class, '
        f'at least two.',
    )
    return names


def _images(place: Path, classes: Sequence[str]) -> tuple[Labelled, int]:
    """The images of all classes in order, and the number of other files."""
    unknown = sorted(set(_classes(place)) - set(classes))
    require(not unknown, f'{place / "".join(unknown[:1])} is a class that has no training images.')
    images, others = [], 0
    for label, name in enumerate(classes):
        files = sorted(files_below(place / name))
        found = [p for p in files if p.suffix.lower() in SUFFIXES]
        require(len(found) > 0, f'{place / name} holds no images ({", ".join(SUFFIXES)}).')
        images += [(path, label) for path in found]
        others += len(files) - len(found)
    return images, others


def _decoded(images: Labelled, shape: Shape) -> Split:
    size, channels = ImageSize(*shape[:2]), shape[2]

    def pixels(path: Path) -> np.ndarray:
        with Image.open(path) as image:
            return fit_image(as_pixels(image, channels), size)

    labels = np.array([label for _, label in images], np.int32)
    return Split(np.stack(each_path(pixels, [path for path, _ in images])), labels)


def _split(images: Split, classes: Sequence[str]) -> tuple[Split, Split]:
    """Training and test images: TEST_FRACTION of each class, at least one, by hash."""
    chosen = np.zeros(len(images), bool)
    for label, name in enumerate(classes):
        (members,) = np.nonzero(images.labels == label)
        require(
            len(members) >= 2,
            f'class {name} has one image: it needs one to train on and one to test on.',
        )
        order = np.argsort(random_bits(len(members), seed=label), kind='stable')
        chosen[members[order[: max(1, round(TEST_FRACTION * len(members)))]]] = True
    return (
        Split(images.images[~chosen], images.labels[~chosen]),
        Split(images.images[chosen], images.labels[chosen]),
    )
