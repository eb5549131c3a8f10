"""Reads a set of images with classes, masks or boxes that TFDS has prepared on disk into arrays.

TensorFlow is not needed: records come through TFDS' data source, and images are decoded here,
always by Pillow, into the channels that the set declares.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from cnn_jax.data.dataset import Dataset, Split
from cnn_jax.data.feature_kinds import Target, target_of
from cnn_jax.data.intact import (
    damaged_records,
    remember,
    require_metadata,
    require_unchanged,
)
from cnn_jax.data.mask_folder import numbered_classes
from cnn_jax.data.pixels import decode_picture
from cnn_jax.data.quiet import quiet_tfds
from cnn_jax.data.resize import ImageSize, fit_image
from cnn_jax.errors import BadInput, require

_CHUNK = 512  # records read at once: much faster than one by one, and little memory


@runtime_checkable
class Source(Protocol):
    """The part of a TFDS data source used here: its length, and examples by index."""

    def __len__(self) -> int: ...
    def __getitems__(self, keys: list[int], /) -> Sequence[dict[str, Any]]: ...


class _Layout(NamedTuple):
    image_key: str
    encoded: bool  # whether images are stored as image files
    channels: int
    target: Target
    splits: tuple[str, str]  # used as train and as test


def read_prepared(
    builder: Any,
    *,
    name: str,
    remedy: str,
    size: ImageSize | None = None,
    task: str | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Dataset:
    """The train and test splits of a TFDS builder whose data is on disk.

    builder: a `tfds.core.DatasetBuilder`. The test split is 'test', or 'validation' where the set
    has no 'test'. size: every image is fitted to it (see `fit_image`), with its mask or boxes.
    task: see `target_of`. log: see `remember`. Raises `BadInput` when the set does not consist of
    uint8 images with what the task needs, when images differ in size and no `size` is given, and,
    naming the file or the image, when one is damaged; where the set must be prepared again the
    message ends in `remedy`.
    """
    folder = Path(builder.data_dir)
    require_metadata(folder, remedy=remedy)
    require_unchanged(folder, remedy=remedy)
    layout = _layout(builder, name, remedy, task)
    try:
        with quiet_tfds():
            train, test = (
                _read_split(builder, split, layout, name, size) for split in layout.splits
            )
    except NotImplementedError as error:
        raise BadInput(
            f'data set {name!r} in {builder.data_dir} is prepared as '
            f'{builder.info.file_format.value}, which needs TensorFlow: {remedy}'
        ) from error
    except (BadInput, ImportError, MemoryError):
        raise
    except Exception as error:  # ArrayRecord raises all kinds of errors, some without a message
        with quiet_tfds():
            which = damaged_records(builder, layout.splits)
        reason = which or f'the files in {folder} cannot be read ({_one_line(error)})'
        raise BadInput(f'data set {name!r}: {reason}: {remedy}') from error
    names = layout.target.class_names or numbered_classes((train, test))
    dataset = Dataset(name, train=train, test=test, class_names=names, task=layout.target.task)
    remember(folder, log=log)
    return dataset


def _layout(builder: Any, name: str, remedy: str, task: str | None) -> _Layout:
    import tensorflow_datasets as tfds

    features: dict[str, Any] = dict(builder.info.features.items())
    image_key, label_key = builder.info.supervised_keys or ('image', 'label')
    image = features.get(image_key)
    holds = f'it holds {", ".join(sorted(features))}'
    require(
        isinstance(image, tfds.features.Image | tfds.features.Tensor)
        and features[image_key].np_dtype == np.uint8
        and len(features[image_key].shape) == 3,
        f'data set {name!r} is not one of uint8 images with one class each: {holds}. '
        'Choose a set of images.',
    )
    target = target_of(
        features, label_key, task, name=name, folder=Path(builder.data_dir), remedy=remedy
    )
    splits = tuple(builder.info.splits)
    test = 'test' if 'test' in splits else 'validation'
    require(
        'train' in splits and test in splits,
        f'data set {name!r} has the splits {", ".join(splits) or "none"}: '
        "'train' and 'test' (or 'validation') are needed.",
    )
    return _Layout(
        image_key,
        encoded=isinstance(image, tfds.features.Image),
        channels=features[image_key].shape[-1],
        target=target,
        splits=('train', test),
    )


def _source(builder: Any, split: str, layout: _Layout) -> Source:
    """The records of a split, with image files as they are stored."""
    import tensorflow_datasets as tfds

    source = builder.as_data_source(split)
    encoded = [layout.image_key] * layout.encoded + list(layout.target.encoded)
    if encoded:  # not passed as an argument: TFDS' mock of a set would need TensorFlow
        source.decoders = {key: tfds.decode.SkipDecoding() for key in encoded}
    return source


def _read_split(
    builder: Any, split: str, layout: _Layout, name: str, size: ImageSize | None
) -> Split:
    source = _source(builder, split, layout)
    count = len(source)
    require(count > 0, f'data set {name!r} has an empty split.')
    labels: list[np.ndarray] = []
    images = np.empty((0, 0, 0, 0), np.uint8)
    for start in range(0, count, _CHUNK):
        chunk = source.__getitems__(list(range(start, min(start + _CHUNK, count))))
        for index, example in enumerate(chunk, start):
            image = example[layout.image_key]
            if isinstance(image, bytes):
                image = _decoded(image, layout.channels, f'{split} image {index} of {name!r}')
            which = f'{split} image {index} of {name!r}'
            labels.append(layout.target.read(example, image.shape[:2], size, which))
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
    return Split(images, layout.target.together(labels))


def _decoded(data: bytes, channels: int, which: str) -> np.ndarray:
    try:
        return decode_picture(data, channels)
    except BadInput as error:
        raise BadInput(
            f'{which} cannot be decoded: {error}. Prepare the set without it, or with a whole '
            f'8-bit or 16-bit PNG or JPEG in its place.'
        ) from error


def _one_line(error: Exception) -> str:
    text = ' '.join(str(error).split())
    return f'{type(error).__name__}: {text[:80]}' if text else type(error).__name__
