"""Small TFDS sets of many kinds, to prepare on disk and read back."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

PICTURES = np.random.default_rng(0).integers(0, 256, (520, 6, 5, 3), np.uint8)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format='PNG')
    return buffer.getvalue()


class TinySet(tfds.core.GeneratorBasedBuilder):
    """What TFDS' own sets look like on disk: PNG images, made here without TensorFlow."""

    VERSION = tfds.core.Version('1.2.0')
    SPLITS: tuple[str, ...] = ('train', 'test')
    SHAPE: tuple[int | None, ...] = (6, 5, 3)

    def _features(self) -> dict[str, Any]:
        return {
            'coarse_label': tfds.features.ClassLabel(num_classes=2),
            'image': tfds.features.Image(shape=self.SHAPE),
            'label': tfds.features.ClassLabel(names=['ant', 'bee', 'cat']),
        }

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(self._features()),
            supervised_keys=('image', 'label'),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in self.SPLITS}

    def _generate_examples(self, split: str) -> Any:
        pictures = PICTURES if split == 'train' else PICTURES[:3, ::-1]
        for index, picture in enumerate(pictures):
            yield (
                index,
                {'coarse_label': 1, 'image': self._picture(picture, index), 'label': index % 3},
            )

    def _picture(self, picture: np.ndarray, index: int) -> Any:
        return png(picture)


class TinyPictures(TinySet):
    pass


class TinyValidated(TinySet):
    SPLITS = ('train', 'validation')


class TinyUntested(TinySet):
    SPLITS = ('train', 'unlabelled')


class TinyUneven(TinySet):
    """Sizes differ, and every third image is a grey file, as in sets made of photographs."""

    SHAPE = (None, None, 3)

    def _picture(self, picture: np.ndarray, index: int) -> bytes:
        picture = np.repeat(picture, 1 + index % 2, axis=0)
        return png(picture[..., 0] if index % 3 == 0 else picture)


class TinyTexts(TinySet):
    def _features(self) -> dict[str, Any]:
        return {**super()._features(), 'image': tfds.features.Text()}

    def _picture(self, picture: np.ndarray, index: int) -> str:
        return 'words'


class TinyDepths(TinySet):
    def _features(self) -> dict[str, Any]:
        depth = tfds.features.Tensor(shape=(6, 5, 3), dtype=np.uint16)
        return {**super()._features(), 'image': depth}

    def _picture(self, picture: np.ndarray, index: int) -> np.ndarray:
        return picture.astype(np.uint16)


def prepare(kind: type[TinySet], folder: Path) -> Any:
    """A builder whose data is on disk in `folder`, as a later process would open it."""
    builder: Any = kind(data_dir=str(folder))
    builder.download_and_prepare(
        file_format='array_record',
        download_dir=str(folder / 'downloads'),
        download_config=tfds.download.DownloadConfig(try_download_gcs=False),
    )
    return tfds.builder_from_directory(builder.data_dir)
