"""Corruptions against slow loops over their definitions, and properties that all must have."""

import math

import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.evaluation import CORRUPTIONS, accuracy_under, corrupt, warp
from cnn_jax.evaluation import corruptions as module

KINDS = (*CORRUPTIONS, 'rotation', 'scale')


@pytest.fixture(scope='module')
def images() -> np.ndarray:
    draw = np.random.default_rng(0)
    smooth = np.cumsum(draw.normal(size=(6, 12, 15, 3)), axis=2)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return np.rint(255 * smooth).astype(np.uint8)


def rounded(value: float) -> int:
    return int(np.rint(min(max(value, 0.0), 1.0) * 255))


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('severity', [1, 5])
def test_each_image_is_changed_by_itself_and_by_its_seed(images, kind: str, severity: int):
    whole = corrupt(images, kind, severity, seed=3)
    assert whole.dtype == np.uint8 and whole.shape == images.shape
    np.testing.assert_array_equal(corrupt(images[:4], kind, severity, seed=3), whole[:4])
    np.testing.assert_array_equal(corrupt(images, kind, severity, seed=3), whole)
    if 'noise' in kind:
        assert (corrupt(images, kind, severity, seed=4) != whole).any()


@pytest.mark.parametrize('kind', KINDS)
def test_severities_rise(images, kind: str):
    apart = [
        np.abs(corrupt(images, kind, s).astype(float) - images).mean() for s in (1, 2, 3, 4, 5)
    ]
    assert 0 < apart[0] < apart[-1]
    if kind not in ('motion_blur', 'pixelate'):  # whose even lengths lie half a pixel off centre
        assert apart == sorted(apart)


def test_light_by_loops(images):
    for level, (added, factor) in enumerate(zip(module._BRIGHTNESS, module._CONTRAST, strict=True)):
        brighter = corrupt(images, 'brightness', level + 1)
        flatter = corrupt(images, 'contrast', level + 1)
        for n, i, j, c in np.ndindex(2, *images.shape[1:]):
            value = images[n, i, j, c] / 255
            mean = images[n, :, :, c].mean() / 255
            assert abs(int(brighter[n, i, j, c]) - rounded(value + added)) <= 1
            assert abs(int(flatter[n, i, j, c]) - rounded((value - mean) * factor + mean)) <= 1


def test_motion_blur_by_loops(images):
    length = module._MOTION[3]
    found = corrupt(images, 'motion_blur', 4)
    width = images.shape[2]
    for n, i, j, c in np.ndindex(2, *images.shape[1:]):
        row = images[n, i, :, c] / 255
        seen = [row[min(max(j - length // 2 + k, 0), width - 1)] for k in range(length)]
        assert abs(int(found[n, i, j, c]) - rounded(sum(seen) / length)) <= 1


def test_gaussian_blur_by_loops(images):
    sigma = module._BLUR[4]
    reach = int(4.0 * sigma + 0.5)
    weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-reach, reach + 1)]
    found = corrupt(images, 'gaussian_blur', 5)
    _, height, width, _ = images.shape
    for i, j, c in np.ndindex(height, width, 3):
        total = 0.0
        for a, wa in zip(range(-reach, reach + 1), weights, strict=True):
            for b, wb in zip(range(-reach, reach + 1), weights, strict=True):
                place = min(max(i + a, 0), height - 1), min(max(j + b, 0), width - 1)
                total += wa * wb * images[0][place][c] / 255
        assert abs(int(found[0, i, j, c]) - rounded(total / sum(weights) ** 2)) <= 1


def test_pixelate_shows_one_pixel_a_cell(images):
    found = corrupt(images, 'pixelate', 5)
    few = int(12 * module._PIXELS[4])
    assert len({tuple(row.ravel()) for row in found[0]}) <= few
    for row in found[0]:  # every row is one of the image's, at its columns
        assert any(set(map(tuple, row)) <= set(map(tuple, other)) for other in images[0])


def test_noise_has_its_spread():
    grey = np.full((200, 16, 16, 1), 128, np.uint8)
    for level in (1, 5):
        noisy = corrupt(grey, 'gaussian_noise', level).astype(float) / 255
        assert noisy.std() == pytest.approx(module._NOISE[level - 1], rel=0.03)
        assert noisy.mean() == pytest.approx(128 / 255, abs=2e-3)
        shot = corrupt(grey, 'shot_noise', level).astype(float) / 255
        expected = math.sqrt(128 / 255 / module._SHOT[level - 1])
        assert shot.std() == pytest.approx(expected, rel=0.05)
        salted = corrupt(grey, 'impulse_noise', level)
        share = module._IMPULSE[level - 1]
        assert (salted != 128).mean() == pytest.approx(share, rel=0.1)
        assert (salted == 255).mean() == pytest.approx(share / 2, rel=0.15)


@pytest.mark.parametrize(('degrees', 'scale'), [(30, 1.0), (-12, 1.0), (0, 1.3), (0, 0.7)])
def test_warp_by_loops(images, degrees: float, scale: float):
    found = warp(images[:1], degrees=degrees, scale=scale)[0]
    _, height, width, _ = images.shape
    turn = math.radians(degrees)

    def pixel(i: int, j: int, c: int) -> float:
        inside = 0 <= i < height and 0 <= j < width
        return images[0, i, j, c] / 255 if inside else 0.0

    for i, j, c in np.ndindex(height, width, 3):
        down, right = i - (height - 1) / 2, j - (width - 1) / 2
        y = (math.cos(turn) * down + math.sin(turn) * right) / scale + (height - 1) / 2
        x = (math.cos(turn) * right - math.sin(turn) * down) / scale + (width - 1) / 2
        top, left = math.floor(y), math.floor(x)
        v, u = y - top, x - left
        value = (1 - v) * ((1 - u) * pixel(top, left, c) + u * pixel(top, left + 1, c)) + v * (
            (1 - u) * pixel(top + 1, left, c) + u * pixel(top + 1, left + 1, c)
        )
        assert abs(int(found[i, j, c]) - rounded(value)) <= 1


def test_quarter_turns_are_exact_and_none_is_the_image(images):
    square = images[:, :12, :12]
    np.testing.assert_array_equal(warp(square, degrees=90), np.rot90(square, 1, (1, 2)))
    np.testing.assert_array_equal(warp(images), images)


def test_every_second_image_goes_the_other_way(images):
    turned = corrupt(images, 'rotation', 5)
    np.testing.assert_array_equal(turned[::2], warp(images[::2], degrees=30))
    np.testing.assert_array_equal(turned[1::2], warp(images[1::2], degrees=-30))
    scaled = corrupt(images, 'scale', 2)
    np.testing.assert_array_equal(scaled[::2], warp(images[::2], scale=1.12))
    np.testing.assert_array_equal(scaled[1::2], warp(images[1::2], scale=0.88))


def test_a_constant_predictor_has_the_share_of_its_class(images):
    labels = np.array([0, 0, 1, 1, 1, 0])
    found = accuracy_under(lambda x: np.tile([0.0, 1.0], (len(x), 1)), images, labels, 'rotation')
    assert found == (0.5,) * 5


def test_bad_input(images, unchecked):
    with pytest.raises(BadInput, match="unknown corruption 'contrst': did you mean 'contrast'"):
        corrupt(images, 'contrst', 1)
    with pytest.raises(BadInput, match='severity must be 1 to 5; got 6'):
        corrupt(images, 'contrast', 6)
    with pytest.raises(BadInput, match=r'images must be uint8 .* got float64'):
        corrupt(images / 255, 'contrast', 1)
