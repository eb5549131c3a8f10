"""What a prepared TFDS set asks for: a class, a mask or boxes for each image; how to read them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cnn_jax.data.intact import read_class_names
from cnn_jax.data.mask_folder import decode_mask
from cnn_jax.data.resize import ImageSize, fit_boxes, fit_mask
from cnn_jax.errors import BadInput, one_line, require

_MASK, _OBJECTS = 'segmentation_mask', 'objects'
_OUTLINED = {1: 1, 2: 0, 3: 2}  # ids of Oxford-IIIT Pet's masks to ours, with the background 0
_KNOWN_MASKS = {'oxford_iiit_pet': (_OUTLINED, ('background', 'pet', 'border'))}

# An example, the size of its image, the size wanted, what it is called in errors -> its labels.
Read = Callable[[Mapping[str, Any], tuple[int, int], ImageSize | None, str], np.ndarray]


class Target(NamedTuple):
    """How to read the labels of a set's examples."""

    task: str
    class_names: tuple[str, ...] | None  # None: the ids up to the largest
    read: Read
    together: Callable[[Sequence[np.ndarray]], np.ndarray]  # the labels of a whole split
    encoded: tuple[str, ...] = ()  # features that are stored as image files


def target_of(
    features: Mapping[str, Any],
    label_key: str,
    task: str | None,
    *,
    name: str,
    folder: Path,
    remedy: str,
) -> Target:
    """The target of the set `name` that is in `folder`, by what it holds.

    task: 'classification' needs a class `label_key`; 'detection' needs 'objects', a sequence of
    'bbox' and 'label' (PASCAL VOC, COCO); 'segmentation' needs images 'segmentation_mask' of class
    ids (Oxford-IIIT Pet). None: the first of them that is there. Objects that are marked as
    difficult count like others. Raises `BadInput` if what is needed is not there.
    """
    import tensorflow_datasets as tfds

    nested = getattr(features.get(_OBJECTS), 'feature', None)
    parts: dict[str, Any] = {}
    if isinstance(nested, tfds.features.FeaturesDict):
        parts = dict(nested.items())
    makers = {}
    if isinstance(features.get(label_key), tfds.features.ClassLabel):
        makers['classification'] = lambda: _classes(features[label_key], label_key, folder, remedy)
    if isinstance(parts.get('bbox'), tfds.features.BBoxFeature) and isinstance(
        parts.get('label'), tfds.features.ClassLabel
    ):
        makers['detection'] = lambda: _boxes(parts['label'], folder, remedy)
    if isinstance(features.get(_MASK), tfds.features.Image):
        makers['segmentation'] = lambda: _masks(name)
    holds = f'it holds {", ".join(sorted(features))}'
    require(
        bool(makers),
        f'data set {name!r} is not one of uint8 images with one class each, boxes or masks: '
        f'{holds}. Choose another set.',
    )
    chosen = next(iter(makers)) if task is None else task
    require(
        chosen in makers,
        f'data set {name!r} does not serve {chosen}: {holds}, for {" and ".join(makers)}.',
    )
    return makers[chosen]()


def _classes(label: Any, key: str, folder: Path, remedy: str) -> Target:
    names = read_class_names(folder, key, label.num_classes or 0, remedy=remedy)
    return Target(
        'classification',
        names or tuple(label.names or ()),
        read=lambda example, was, size, which: np.asarray(example[key], np.int32),
        together=lambda labels: np.array(labels, np.int32),
    )


def _boxes(label: Any, folder: Path, remedy: str) -> Target:
    """TFDS has (ymin, xmin, ymax, xmax) as shares of the image's height and width."""
    names = read_class_names(folder, f'{_OBJECTS}-label', label.num_classes or 0, remedy=remedy)

    def read(
        example: Mapping[str, Any], was: tuple[int, int], size: ImageSize | None, which: str
    ) -> np.ndarray:
        objects = example[_OBJECTS]
        ends = np.asarray(objects['bbox'], np.float32).reshape(-1, 4) * np.tile(was, 2)
        boxes = np.concatenate([ends, np.reshape(objects['label'], (-1, 1))], 1)
        fitted = fit_boxes(boxes.astype(np.float32), was, size or ImageSize(*was))
        return fitted[fitted[:, 4] >= 0]

    def together(labels: Sequence[np.ndarray]) -> np.ndarray:
        boxes = np.full((len(labels), max(map(len, labels)), 5), -1, np.float32)
        for row, some in zip(boxes, labels, strict=True):
            row[: len(some)] = some
        return boxes

    return Target('detection', names or tuple(label.names or ()), read, together)


def _masks(name: str) -> Target:
    known, names = _KNOWN_MASKS.get(name.partition('/')[0], ({}, None))
    ours = np.arange(256, dtype=np.uint8)
    for theirs, id_ in known.items():
        ours[theirs] = id_
    strange = np.array([bool(known) and i not in known for i in range(256)])

    def read(
        example: Mapping[str, Any], was: tuple[int, int], size: ImageSize | None, which: str
    ) -> np.ndarray:
        given = example[_MASK]
        try:
            mask = decode_mask(given)
        except Exception as error:  # Pillow raises all kinds of errors for damaged files
            raise BadInput(f'the mask of {which} cannot be decoded: {one_line(error)}.') from error
        require(
            mask.shape == was, f'the mask of {which} is {mask.shape}, and the image {was} pixels.'
        )
        bad = mask[strange[mask]]
        require(bad.size == 0, f'the mask of {which} holds {bad[:1].sum()}, not {[*known]} only.')
        return ours[mask] if size is None else fit_mask(ours[mask], size)

    return Target('segmentation', names, read, np.stack, encoded=(_MASK,))
