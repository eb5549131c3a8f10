"""Reads an image-classification set that TFDS has prepared on disk into arrays.

TensorFlow is not needed: records come through TFDS' data source, and images are decoded by
Pillow (or OpenCV, where that is installed).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from cnn_jax.data.dataset import Dataset, Split
from cnn_jax.data.quiet import quiet_tfds
from cnn_jax.data.resize import ImageSize, fit_image
from cnn_jax.errors import BadInput, require

_CHUNK = 512  # records read at once: much faster than one by one, and little memory


@runtime_checkable
class Source(Protocol):
    """What is used of a TFDS data source: its length, and examples by their indices."""

    def __len__(self) -> int: ...
    def __getitems__(self, keys: list[int], /) -> Sequence[dict[str, Any]]: ...


class _Layout(NamedTuple):
    image_key: str
    label_key: str
    class_names: tuple[str, ...]
    splits: tuple[str, str]  # what serves as train and as test


def read_prepared(
    builder: Any, *, name: str, remedy: str, size: ImageSize | None = None
) -> Dataset:
    """The train and test splits behind a TFDS builder whose data is on disk.

    builder: a `tfds.core.DatasetBuilder`. The test split is 'test', or 'validation' where the set
    has no 'test'. size: every image is fitted to it (see `fit_image`). Raises `BadInput` when the
    set is not one of uint8 images with one class each, when images differ in size and no `size` is
    given, and, ending in `remedy`, when its files are damaged or of a kind without random access.
    """
    layout = _layout(builder, name)
    try:
        with quiet_tfds():
            train, test = (
                _read_split(builder.as_data_source(split), layout, name, size)
                for split in layout.splits
            )
    except NotImplementedError as error:
        raise BadInput(
            f'data set {name!r} in {builder.data_dir} is prepared as '
            f'{builder.info.file_format.value}, which needs TensorFlow: {remedy}'
        ) from error
    except (BadInput, ImportError, MemoryError):
        raise
    except Exception as error:  # ArrayRecord raises all kinds, some of them without a message
        raise BadInput(
            f'data set {name!r}: the prepared files in {builder.data_dir} are damaged '
            f'({_one_line(error)}): {remedy}'
        ) from error
    return Dataset(name, train=train, test=test, class_names=layout.class_names)


def _layout(builder: Any, name: str) -> _Layout:
    import tensorflow_datasets as tfds

    image_key, label_key = builder.info.supervised_keys or ('image', 'label')
    features: dict[str, Any] = dict(builder.info.features.items())
    image, label = features.get(image_key), features.get(label_key)
    require(
        isinstance(image, tfds.features.Image | tfds.features.Tensor)
        and isinstance(label, tfds.features.ClassLabel)
        and features[image_key].np_dtype == np.uint8
        and len(features[image_key].shape) == 3,
        f'data set {name!r} is not one of uint8 images with one class each: it holds '
        f'{", ".join(sorted(features))}. Choose an image-classification set.',
    )
    splits = tuple(builder.info.splits)
    test = 'test' if 'test' in splits else 'validation'
    require(
        'train' in splits and test in splits,
        f'data set {name!r} has the splits {", ".join(splits) or "none"}: '
        "'train' and 'test' (or 'validation') are needed.",
    )
    return _Layout(image_key, label_key, tuple(features[label_key].names or ()), ('train', test))


def _read_split(source: Source, layout: _Layout, name: str, size: ImageSize | None) -> Split:
    count = len(source)
    require(count > 0, f'data set {name!r} has an empty split.')
    labels = np.empty(count, np.int32)
    images = np.empty((0, 0, 0, 0), np.uint8)
    for start in range(0, count, _CHUNK):
        chunk = source.__getitems__(list(range(start, min(start + _CHUNK, count))))
        for index, example in enumerate(chunk, start):
            image = example[layout.image_key]
            if size is not None:
                image = fit_image(image, size)
            if index == 0:
                images = np.empty((count, *image.shape), np.uint8)
            require(
                image.shape == images.shape[1:],
                f'data set {name!r} holds images of different sizes, such as '
                f'{images.shape[1:]} and {image.shape} (height, width, channels): '
                'give one size for all, such as image_size=(128, 128).',
            )
            images[index] = image
            labels[index] = example[layout.label_key]
    return Split(images, labels)


def _one_line(error: Exception) -> str:
    text = ' '.join(str(error).split())
    return f'{type(error).__name__}: {text[:80]}' if text else type(error).__name__
