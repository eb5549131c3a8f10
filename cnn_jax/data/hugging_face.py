"""Data sets from the Hugging Face library `datasets`, which need not be installed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from cnn_jax.data.dataset import Dataset, Split
from cnn_jax.data.image_files import as_pixels, channels_of
from cnn_jax.data.resize import ImageSize, checked_size, fit_image
from cnn_jax.errors import require


def from_hugging_face(
    data: Mapping[str, Any],
    *,
    name: str,
    image: str = 'image',
    label: str = 'label',
    test: str = 'test',
    image_size: tuple[int, int] | None = None,
) -> Dataset:
    """The splits 'train' and `test` of a `datasets.DatasetDict`, in memory.

    `image` and `label` name the columns of Pillow images and integer labels. Class names are
    those of the label's feature, if it has any. Every image is scaled and cropped to `image_size`
    (height, width), which is required if sizes differ. Raises BadInput if anything is missing.

    >>> pictures = [Image.new('L', (4, 4), 60 * i) for i in range(4)]
    >>> rows = [{'image': picture, 'label': i % 2} for i, picture in enumerate(pictures)]
    >>> from_hugging_face({'train': rows, 'test': rows}, name='mine').image_shape
    (4, 4, 1)
    """
    require(isinstance(data, Mapping), f'{name}: give a DatasetDict; got {type(data).__name__}.')
    for split in ('train', test):
        require(split in data, f'{name}: no split {split!r}; it has {", ".join(data)}.')
        require(len(data[split]) > 0, f'{name}: the split {split!r} is empty.')
    size = None if image_size is None else checked_size(image_size)
    channels = channels_of(
        _image(row, image, name).mode for split in ('train', test) for row in data[split]
    )
    columns = (name, image, label, channels, size)
    train, tested = (_split(data[part], *columns) for part in ('train', test))
    known = getattr(getattr(data['train'], 'features', {}).get(label), 'names', None)
    most = max(int(split.labels.max()) for split in (train, tested))
    names = tuple(known) if known else tuple(map(str, range(most + 1)))
    return Dataset(name, train, tested, names)


def _split(
    rows: Any, name: str, image: str, label: str, channels: int, size: ImageSize | None
) -> Split:
    pixels = [as_pixels(_image(row, image, name), channels) for row in rows]
    if size is not None:
        pixels = [fit_image(array, size) for array in pixels]
    shapes = {array.shape[:2] for array in pixels}
    require(
        len(shapes) == 1,
        f'{name}: images differ in size, such as {sorted(shapes)[:2]}: '
        f'give image_size=(height, width).',
    )
    labels = [row.get(label) for row in rows]
    require(
        all(isinstance(v, int | np.integer) and 0 <= v < 2**31 for v in labels),
        f'{name}: column {label!r} must hold whole numbers from 0 on; '
        f'the rows have {", ".join(rows[0])}.',
    )
    return Split(np.stack(pixels), np.array(labels, np.int32))


def _image(row: Mapping[str, Any], column: str, name: str) -> Image.Image:
    found = row.get(column)
    require(
        isinstance(found, Image.Image),
        f'{name}: column {column!r} must hold images; the rows have {", ".join(row)}.',
    )
    assert isinstance(found, Image.Image)
    return found
