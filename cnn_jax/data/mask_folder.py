"""The user's own images and masks: a folder of images, and one of masks with the same names."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from cnn_jax.data.dataset import Dataset, Split
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
from cnn_jax.data.resize import ImageSize, checked_size, fit_image, fit_mask
from cnn_jax.data.targets import IGNORED
from cnn_jax.errors import BadInput, one_line, require

_NAMES = 'classes.txt'
Pair = tuple[Path, Path]


def holds_masks(folder: Path) -> bool:
    """Whether the folder has the form that `load_mask_folder` reads.

    >>> holds_masks(Path('no-such-folder'))
    False
    """
    return (folder / 'train' / 'masks').is_dir()


def load_mask_folder(
    folder: Path,
    *,
    image_size: tuple[int, int] | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Dataset:
    """The images in FOLDER/train/images/* with the masks in FOLDER/train/masks/*, and of test.

    The mask of an image is the file of the same name but for its suffix, with 8-bit palette or
    grey pixels that are class ids: 0, 1, ..., and 255 where a pixel is not judged. 'val' and
    'validation' serve as test too. The names of the classes are the lines of FOLDER/classes.txt,
    or, without that file, the ids up to the largest. Images are read as by `load_image_folder`;
    each is scaled and cropped to `image_size` (height, width), which is required if sizes differ,
    and its mask likewise, by the nearest pixel.

    Raises BadInput, with the file, for images without a mask and masks without an image, a mask of
    another size than its image, class ids without a name, and files that cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     for place in ('train/images', 'train/masks', 'test/images', 'test/masks'):
    ...         (Path(name) / place).mkdir(parents=True)
    ...         Image.new('L', (8, 6), 1).save(Path(name) / place / 'a.png')
    ...     dataset = load_mask_folder(Path(name))
    >>> dataset.image_shape, dataset.train.labels.shape, dataset.class_names
    ((6, 8, 1), (1, 6, 8), ('0', '1'))
    """
    tests = [name for name in TEST_NAMES if (folder / name).is_dir()]
    require(bool(tests), f'{folder} has a folder train but no folder test (or val): give both.')
    places = [folder / 'train', folder / tests[0]]
    pairs = [_pairs(place) for place in places]
    images = [image for part in pairs for image, _ in part]
    size = None if image_size is None else checked_size(image_size)
    shape = common_shape(images, size)
    check_memory(folder, len(images), (*shape[:2], shape[2] + 1))
    train, test = (_read(part, shape) for part in pairs)
    names = _class_names(folder, (train, test))
    for part, split in zip(pairs, (train, test), strict=True):
        _check_ids(part, split, len(names), folder)
    log(
        f'{folder.name}: {len(train):,} training and {len(test):,} test images with masks of '
        f'{len(names)} classes, {"x".join(map(str, shape))}'
    )
    return Dataset(folder.name, train, test, names, task='segmentation')


def decode_mask(data: bytes) -> UInt8[np.ndarray, 'height width']:
    """The class ids in an image file of 8-bit palette or grey pixels; a palette's colours are not
    looked at. Raises ValueError for other kinds of pixels, and whatever Pillow raises.

    >>> file = io.BytesIO()
    >>> Image.new('L', (2, 1), 3).save(file, format='PNG')
    >>> decode_mask(file.getvalue()).tolist()
    [[3, 3]]
    """
    with Image.open(io.BytesIO(data)) as image:
        if image.mode not in ('1', 'L', 'P'):
            raise ValueError(f'masks are 8-bit palette or grey class ids, not {image.mode}')
        return np.asarray(image).astype(np.uint8)


def numbered_classes(splits: Sequence[Split]) -> tuple[str, ...]:
    """The ids up to the largest in any mask, as names.

    >>> masks = np.array([[[0, 2, 255]]], np.uint8)
    >>> numbered_classes([Split(np.zeros((1, 1, 3, 1), np.uint8), masks)])
    ('0', '1', '2')
    """
    judged = [split.labels[split.labels != IGNORED] for split in splits]
    return tuple(map(str, range(max(int(ids.max(initial=0)) for ids in judged) + 1)))


def _pairs(place: Path) -> list[Pair]:
    """Every image with its mask, by name."""
    images, masks = (_by_name(place / kind) for kind in ('images', 'masks'))
    for there, other, kind in ((images, masks, 'mask'), (masks, images, 'image')):
        alone = sorted(there.keys() - other.keys())
        require(
            not alone,
            f'{there[alone[0]] if alone else ""} has no {kind} '
            f'{place / (kind + "s")}/{alone[0] if alone else ""}.*'
            f'{f", nor have {len(alone) - 1} others" if len(alone) > 1 else ""}: '
            f'each image needs one mask of the same name.',
        )
    return [(images[name], masks[name]) for name in sorted(images)]


def _by_name(place: Path) -> dict[str, Path]:
    """The images at or below a folder by their path in it, without suffix."""
    require(place.is_dir(), f'{place} is missing: images need a folder images and one of masks.')
    found: dict[str, Path] = {}
    for path in files_below(place):
        name = path.relative_to(place).with_suffix('').as_posix()
        if path.suffix.lower() in SUFFIXES:
            require(name not in found, f'{found.get(name)} and {path} differ only in their suffix.')
            found[name] = path
    require(bool(found), f'{place} holds no images ({", ".join(SUFFIXES)}).')
    return found


def _read(pairs: Sequence[Pair], shape: Shape) -> Split:
    size, channels = ImageSize(*shape[:2]), shape[2]
    mask_of = dict(pairs)

    def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
        with Image.open(path) as image:
            pixels = as_pixels(image, channels)
        try:
            mask = decode_mask(mask_of[path].read_bytes())
        except Exception as error:  # damaged files make Pillow raise all kinds of errors
            raise ValueError(f'its mask: {one_line(error, at_most=90)}') from None
        if mask.shape != pixels.shape[:2]:
            raise ValueError(
                f'its mask is {mask.shape[0]}x{mask.shape[1]}, '
                f'the image {pixels.shape[0]}x{pixels.shape[1]}'
            )
        return fit_image(pixels, size), fit_mask(mask, size)

    done = each_path(read, [image for image, _ in pairs])
    return Split(np.stack([image for image, _ in done]), np.stack([mask for _, mask in done]))


def _class_names(folder: Path, splits: Sequence[Split]) -> tuple[str, ...]:
    """The lines of classes.txt, or the ids."""
    path = folder / _NAMES
    if path not in contents(folder):
        names = numbered_classes(splits)
        require(
            len(names) > 1,
            f'the masks of {folder} hold no class but 0: class ids are 0, 1, ...; {IGNORED} marks '
            f'pixels that are not judged, so write other classes as 1, 2, ...',
        )
        return names
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f'{path} cannot be read ({one_line(error, at_most=80)}).') from None
    names = tuple(line.strip() for line in lines if line.strip())
    require(
        0 < len(set(names)) == len(names) <= IGNORED,
        f'{path} must hold 1 to {IGNORED} different names, one a line; it holds '
        f'{len(set(names))} different names in {len(names)} lines.',
    )
    return names


def _check_ids(pairs: Sequence[Pair], split: Split, classes: int, folder: Path) -> None:
    """Names the file of a class id that has no name."""
    for (_, path), mask in zip(pairs, split.labels, strict=True):
        bad = mask[(mask >= classes) & (mask != IGNORED)]
        require(
            bad.size == 0,
            f'{path} holds the class id {bad[:1].sum()}, and {folder / _NAMES} names {classes} '
            f'classes: ids are 0 to {classes - 1}, and {IGNORED} for pixels that are not judged.',
        )
