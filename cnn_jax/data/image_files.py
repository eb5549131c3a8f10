"""Image files of any kind: where they are, of what size, and as pixels."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from cnn_jax.data.resize import ImageSize
from cnn_jax.errors import BadInput, one_line, require

SUFFIXES = ('.bmp', '.gif', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')
TEST_NAMES = ('test', 'val', 'validation')  # what the folder of a test split may be called
_GREY = ('1', 'L', 'LA', 'I', 'I;16', 'I;16B', 'I;16L')  # Pillow's modes
_MEMORY_SHARE = 0.5  # of free memory: a run holds the images more than once
Shape = tuple[int, int, int]


def contents(folder: Path) -> list[Path]:
    """The contents of a folder except hidden files; raises BadInput where it cannot be read."""
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise BadInput(f'{folder} cannot be read ({error.strerror}).') from None
    return [p for p in found if not p.name.startswith('.') and p.name != '__MACOSX']


def files_below(folder: Path, seen: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """All files below a folder, following links, none of them twice."""
    seen |= {folder.resolve()}
    for path in contents(folder):
        if not path.is_dir():
            yield path
        elif path.resolve() not in seen:
            yield from files_below(path, seen)


def common_shape(paths: Sequence[Path], size: ImageSize | None) -> Shape:
    """Height, width and channels for all images, from their headers alone."""

    def header(path: Path) -> tuple[tuple[int, int], str]:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) >= 5  # EXIF's orientation
            return ((width, height) if turned else (height, width)), image.mode

    headers = each_path(header, paths)
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


def check_memory(folder: Path, count: int, shape: Shape) -> None:
    needed = count * shape[0] * shape[1] * shape[2]
    free = os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    require(
        needed <= _MEMORY_SHARE * free,
        f'{folder}: {count:,} images of {"x".join(map(str, shape))} take {needed / 1e9:.1f} GB; '
        f'{free / 1e9:.1f} GB of memory are free and half of that may be used: '
        f'give a smaller image_size or fewer images.',
    )


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


def each_path(work: Callable, paths: Sequence[Path]) -> list:
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
