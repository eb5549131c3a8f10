"""Fashion-MNIST as a TFDS data set of our own, which needs neither TensorFlow nor a network."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from cnn_jax.data.fashion_files import CLASS_NAMES


class FashionMnistIdx(tfds.core.GeneratorBasedBuilder):
    """Fashion-MNIST from arrays that were read from its four IDX files.

    Registered with TFDS as `fashion_mnist_idx`. It differs from TFDS' own `fashion_mnist` in that
    images are stored as raw bytes, not PNG (TFDS can only write PNG with TensorFlow), and in that
    examples keep the published order.
    """

    VERSION = tfds.core.Version('1.0.0')
    RELEASE_NOTES = {'1.0.0': 'The published files, in the published order.'}

    def __init__(
        self, *, arrays: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None, **kwargs: Any
    ) -> None:
        """arrays: split name -> (images uint8 `(n, 28, 28)`, labels uint8 `(n,)`); needed only to
        prepare. kwargs: as for every TFDS builder."""
        self._arrays = arrays or {}
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description='Fashion-MNIST: 60,000 train and 10,000 test images of ten garments.',
            homepage='https://github.com/zalandoresearch/fashion-mnist',
            features=tfds.features.FeaturesDict(
                {
                    'image': tfds.features.Tensor(
                        shape=(28, 28, 1), dtype=np.uint8, encoding=tfds.features.Encoding.BYTES
                    ),
                    'label': tfds.features.ClassLabel(names=list(CLASS_NAMES)),
                }
            ),
            supervised_keys=('image', 'label'),
            disable_shuffling=True,
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        del dl_manager  # nothing to download
        return {name: _examples(*pair) for name, pair in self._arrays.items()}

    def _generate_examples(self, **kwargs: Any) -> Iterator[tuple[int, dict[str, Any]]]:
        return _examples(**kwargs)


def _examples(images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[int, dict[str, Any]]]:
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        yield index, {'image': image[..., None], 'label': int(label)}
