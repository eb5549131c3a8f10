import numpy as np
import pytest

from cnn_jax.data import make_shapes
from cnn_jax.data.shapes import CLASS_NAMES
from cnn_jax.errors import BadInput

SHAPES = make_shapes()


def test_sizes():
    assert SHAPES.train.images.shape == (2000, 28, 28, 1)
    assert SHAPES.test.images.shape == (500, 28, 28, 1)
    assert SHAPES.class_names == CLASS_NAMES and SHAPES.num_classes == 8


def test_the_images_never_change():
    assert SHAPES.fingerprint == FINGERPRINT


FINGERPRINT = 'd6d6919e0fdff7d5794a00eb21dadba031d45a6824174ba72942f238f03dbf4c'


def test_classes_are_even_and_mixed():
    assert np.bincount(SHAPES.train.labels).tolist() == [250] * 8
    assert len(np.unique(SHAPES.train.labels[:40])) == 8


def test_no_image_is_there_twice():
    flat = np.concatenate([SHAPES.train.images, SHAPES.test.images]).reshape(2500, -1)
    assert len(np.unique(flat, axis=0)) == 2500


def test_the_seed_makes_other_images():
    one, two = (make_shapes(train=16, test=8, seed=seed) for seed in (0, 1))
    assert one.fingerprint != two.fingerprint


def centred(images: np.ndarray) -> np.ndarray:
    """The figure's pixels, moved so that the middle of their box is the middle of the image."""
    out = np.zeros((len(images), 28, 28), np.float32)
    for index, image in enumerate(images[..., 0].astype(int)):
        paper, ink = np.percentile(image, 20), np.percentile(image, 99.5)
        figure = image > (paper + ink) / 2
        rows, columns = (np.flatnonzero(figure.any(axis=axis)) for axis in (1, 0))
        shift = [14 - (line[0] + line[-1] + 1) // 2 for line in (rows, columns)]
        out[index] = np.roll(figure, shift, axis=(0, 1))
    return out.reshape(len(images), -1)


def test_it_can_be_learned_but_not_from_raw_pixels_alone():
    """A nearest neighbour is right on centred figures, and often wrong on raw images."""

    def accuracy(train: np.ndarray, test: np.ndarray) -> float:
        distance = (train**2).sum(1)[None] - 2 * test @ train.T
        return float(np.mean(SHAPES.train.labels[distance.argmin(1)] == SHAPES.test.labels))

    raw = [
        split.images.reshape(len(split), -1) / np.float32(255)
        for split in (SHAPES.train, SHAPES.test)
    ]
    figures = [centred(split.images) for split in (SHAPES.train, SHAPES.test)]
    assert accuracy(figures[0], figures[1]) > 0.9
    assert accuracy(raw[0], raw[1]) < 0.75


@pytest.mark.parametrize(('train', 'test'), [(0, 8), (8, 0), (-1, 8)])
def test_an_empty_split_is_refused(train: int, test: int):
    with pytest.raises(BadInput, match='give at least 1 each'):
        make_shapes(train=train, test=test)
