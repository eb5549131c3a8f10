"""The user's own images: a folder with one folder of images per class."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from cnn_jax.data.dataset import Dataset, Split
from cnn_jax.data.hashing import random_bits
from cnn_jax.data.resize import ImageSize, checked_size, fit_image
from cnn_jax.errors import BadInput, one_line, require

SUFFIXES = ('.bmp', '.gif', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')
TEST_FRACTION = 0.2  # of each class, if a folder has no train and test folders
_GREY = ('1', 'L', 'LA', 'I', 'I;16', 'I;16B', 'I;16L')  # Pillow's modes
_TEST_NAMES = ('test', 'val', 'validation')
_MEMORY_SHARE = 0.5  # of free memory: a run holds the images more than once
Labelled = list[tuple[Path, int]]
Shape = tuple[int, int, int]


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
    inside = {p.name.lower(): p for p in _listed(folder) if p.is_dir()}
    tests = [inside[name] for name in _TEST_NAMES if name in inside]
    own_split = 'train' in inside and bool(tests)
    require(
        own_split or not ({'train', *_TEST_NAMES} & inside.keys()),
        f'{folder} needs both a folder train and a folder test, or neither; '
        f'it has {", ".join(sorted(p.name for p in inside.values()))}.',
    )
    places = [inside['train'], tests[0]] if own_split else [folder]
    classes = _classes(places[0])
    listed = [_images(place, classes) for place in places]
    paths = [path for images, _ in listed for path, _ in images]
    shape = _shape(paths, None if image_size is None else checked_size(image_size))
    _check_memory(folder, len(paths), shape)
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
    names = sorted(p.name for p in _listed(place) if p.is_dir())
    require(
        len(names) >= 2,
        f'{place} has {len(names)} folders in it: give one folder of images for each class, '
        f'at least two.',
    )
    return names


def _listed(folder: Path) -> list[Path]:
    """The contents of a folder except hidden files; raises BadInput where it cannot be read."""
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise BadInput(f'{folder} cannot be read ({error.strerror}).') from None
    return [p for p in found if not p.name.startswith('.') and p.name != '__MACOSX']


def _files_below(folder: Path, seen: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """All files below a folder, following links, none of them twice."""
    seen |= {folder.resolve()}
    for path in _listed(folder):
        if not path.is_dir():
            yield path
        elif path.resolve() not in seen:
            yield from _files_below(path, seen)


def _images(place: Path, classes: Sequence[str]) -> tuple[Labelled, int]:
    """The images of all classes in order, and the number of other files."""
    unknown = sorted(set(_classes(place)) - set(classes))
    require(not unknown, f'{place / "".join(unknown[:1])} is a class that has no training images.')
    images, others = [], 0
    for label, name in enumerate(classes):
        files = sorted(_files_below(place / name))
        found = [p for p in files if p.suffix.lower() in SUFFIXES]
        require(len(found) > 0, f'{place / name} holds no images ({", ".join(SUFFIXES)}).')
        images += [(path, label) for path in found]
        others += len(files) - len(found)
    return images, others


def _shape(paths: Sequence[Path], size: ImageSize | None) -> Shape:
    """Height, width and channels for all images, from their headers alone."""

    def header(path: Path) -> tuple[tuple[int, int], str]:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) >= 5  # EXIF's orientation
            return ((width, height) if turned else (height, width)), image.mode

    headers = _each(header, paths)
    channels = channels_of(mode for _, mode in headers)
    if size is not None:
        return size.height, size.width, channels
    (height, width), _ = headers[0]
    for path, (other, _) in zip(paths, headers, strict=True):
        require(
            other == (height, width),
            f'images differ in size: {paths[0]} is {height}x{width}, {path} {other[0]}x{other[1]}: '
            f'give image_size=(height, width), to which all are scaled and cut.',
        )
    return height, width, channels


def channels_of(modes: Iterable[str]) -> int:
    """1 if images of these Pillow modes are all grey, else 3.

    >>> channels_of(['L', 'I;16']), channels_of(['L', 'P'])
    (1, 3)
    """
    return 1 if all(mode in _GREY for mode in modes) else 3


def _check_memory(folder: Path, count: int, shape: Shape) -> None:
    needed = count * shape[0] * shape[1] * shape[2]
    free = os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    require(
        needed <= _MEMORY_SHARE * free,
        f'{folder}: {count:,} images of {"x".join(map(str, shape))} take {needed / 1e9:.1f} GB; '
        f'{free / 1e9:.1f} GB of memory are free and half of that may be used: '
        f'give a smaller image_size or fewer images.',
    )


def _decoded(images: Labelled, shape: Shape) -> Split:
    size, channels = ImageSize(*shape[:2]), shape[2]

    def pixels(path: Path) -> np.ndarray:
        with Image.open(path) as image:
            return fit_image(as_pixels(image, channels), size)

    labels = np.array([label for _, label in images], np.int32)
    return Split(np.stack(_each(pixels, [path for path, _ in images])), labels)


def as_pixels(image: Image.Image, channels: int) -> np.ndarray:
    """A Pillow image of any mode as uint8 (height, width, channels), one channel or three.

    >>> as_pixels(Image.new('RGBA', (3, 2), (1, 2, 3, 0)), 3)[0, 0].tolist()
    [1, 2, 3]
    """
    image = ImageOps.exif_transpose(image)
    if image.mode == 'F':
        raise ValueError(
            'it holds floats, of a range that nothing tells: save it with 8 or 16 bits'
        )
    if image.mode.startswith('I'):  # 16 bits, which Pillow's own conversion clips
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError('it holds numbers beyond 16 bits')
        image = Image.fromarray((values >> 8).astype(np.uint8))
    array = np.asarray(image.convert('L' if channels == 1 else 'RGB'), np.uint8)
    return array.reshape(*array.shape[:2], channels)


def _each(work: Callable, paths: Sequence[Path]) -> list:
    """`work` on every path, in threads; raises BadInput naming the first path that fails."""

    def tried(path: Path) -> object:
        try:
            return work(path)
        except Exception as error:  # damaged files make Pillow raise all kinds of errors
            return error

    with ThreadPoolExecutor() as threads:
        done = list(threads.map(tried, paths))
    failed = [(p, e) for p, e in zip(paths, done, strict=True) if isinstance(e, Exception)]
    if failed:
        path, error = failed[0]
        raise BadInput(
            f'{len(failed)} of {len(paths)} images cannot be read, the first {path} '
            f'({one_line(error, at_most=120)}): repair or remove them.'
        )
    return done


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
