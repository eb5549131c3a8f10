"""Sets of TFDS with boxes or masks, as PASCAL VOC and Oxford-IIIT Pet have them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from cnn_jax.data.prepared import read_prepared
from cnn_jax.data.resize import ImageSize
from cnn_jax.errors import BadInput
from tests.data.tiny_sets import TinySet, png, prepare

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 8, 10, 3), np.uint8)
TRIMAPS = np.random.default_rng(1).integers(1, 4, (5, 8, 10, 1), np.uint8)


class TinyBoxes(TinySet):
    """Image i has i boxes, each higher than the last."""

    SPLITS = ('train', 'validation')

    def _info(self) -> tfds.core.DatasetInfo:
        objects = {
            'bbox': tfds.features.BBoxFeature(),
            'label': tfds.features.ClassLabel(names=['ant', 'bee', 'cat']),
            'is_difficult': np.bool_,
        }
        features = {
            'image': tfds.features.Image(),
            'objects': tfds.features.Sequence(objects),
            'labels': tfds.features.Sequence(tfds.features.ClassLabel(num_classes=3)),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _generate_examples(self, split: str) -> Any:
        for index, picture in enumerate(PICTURES[: 3 if split == 'train' else 2]):
            objects = [
                {
                    'bbox': tfds.features.BBox(0.25, 0.1, 0.5 + i / 4, 1.0),
                    'label': i,
                    'is_difficult': False,
                }
                for i in range(index)
            ]
            yield index, {'image': png(picture), 'objects': objects, 'labels': [0]}


class TinyTrimaps(TinySet):
    IDS = TRIMAPS

    def _features(self) -> dict[str, Any]:
        return {
            'image': tfds.features.Image(),
            'label': tfds.features.ClassLabel(names=['ant', 'bee', 'cat']),
            'segmentation_mask': tfds.features.Image(shape=(None, None, 1), use_colormap=True),
        }

    def _generate_examples(self, split: str) -> Any:
        for index, picture in enumerate(PICTURES[: 5 if split == 'train' else 2]):
            mask = png(self.IDS[index][..., 0])
            yield index, {'image': png(picture), 'label': index % 3, 'segmentation_mask': mask}


class TinyWideTrimaps(TinyTrimaps):
    IDS = TRIMAPS[:, :, :9]


def read(builder: Any, name: str = 'tiny', **how: Any):
    return read_prepared(builder, name=name, remedy='make it again.', **how)


def test_boxes_in_pixels(tmp_path: Path):
    builder = prepare(TinyBoxes, tmp_path)
    dataset = read(builder)
    assert (dataset.task, dataset.class_names) == ('detection', ('ant', 'bee', 'cat'))
    assert dataset.train.labels.shape == (3, 2, 5) and dataset.test.labels.shape == (2, 1, 5)
    np.testing.assert_allclose(
        dataset.train.labels[2], [[2, 1, 4, 10, 0], [2, 1, 6, 10, 1]], rtol=1e-6
    )
    assert (dataset.train.labels[0] == -1).all() and (dataset.train.labels[1, 1] == -1).all()
    small = read(builder, size=ImageSize(4, 4)).train.labels
    np.testing.assert_allclose(small[2], [[1, 0, 2, 4, 0], [1, 0, 3, 4, 1]], atol=1e-6)
    with pytest.raises(
        BadInput, match=r"'tiny' does not serve segmentation: it holds .* detection"
    ):
        read(builder, task='segmentation')


def test_masks_beside_classes(tmp_path: Path):
    builder = prepare(TinyTrimaps, tmp_path)
    assert read(builder).task == 'classification'
    plain = read(builder, task='segmentation')
    np.testing.assert_array_equal(plain.train.labels, TRIMAPS[..., 0])
    assert plain.class_names == ('0', '1', '2', '3')
    pets = read(builder, 'oxford_iiit_pet/3.2', task='segmentation')
    assert pets.class_names == ('background', 'pet', 'border')
    np.testing.assert_array_equal(pets.test.labels, np.array([9, 1, 0, 2])[TRIMAPS[:2, ..., 0]])
    cut = read(builder, task='segmentation', size=ImageSize(8, 8)).train.labels
    np.testing.assert_array_equal(cut, TRIMAPS[:, :, 1:9, 0])


def test_masks_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    builder = prepare(TinyWideTrimaps, tmp_path / 'wide')
    with pytest.raises(BadInput, match=r"mask of train image 0 of 'tiny' is \(8, 9\), .*\(8, 10\)"):
        read(builder, task='segmentation')
    monkeypatch.setattr(TinyTrimaps, 'IDS', TRIMAPS + 1)
    builder = prepare(TinyTrimaps, tmp_path)
    with pytest.raises(BadInput, match=r'holds 4, not \[1, 2, 3\] only'):
        read(builder, 'oxford_iiit_pet', task='segmentation')
