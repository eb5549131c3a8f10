"""Calibration, half-pixel consistency, aliasing, margin: against slow loops and constants."""

import math
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.data import Split
from cnn_jax.errors import BadInput
from cnn_jax.evaluation import (
    averaged_over_shifts,
    energy_above_nyquist,
    expected_calibration_error,
    half_pixel_consistency,
    images_per_second,
    predict_logits,
    predictor,
    shift_consistency,
    shifted_answers,
)
from cnn_jax.evaluation.shifts import all_shifts, draw_shift_pairs
from cnn_jax.measures import CHEAP, choices
from cnn_jax.measures import MEASURES as OF_TASKS
from cnn_jax.models import Classifier, ConvNet1
from cnn_jax.runs import Evaluation
from cnn_jax.runs.tasks.classification import MEASURES
from cnn_jax.runs.tasks.judged import Judged
from cnn_jax.strategies import Max
from cnn_jax.training.augment import Augment, augment_images


def test_calibration_by_loops():
    draw = np.random.default_rng(0)
    logits, labels = 3 * draw.normal(size=(300, 4)), draw.integers(0, 4, 300)
    gaps = [0.0] * 15
    for row, label in zip(logits, labels, strict=True):
        p = [math.exp(v) / sum(math.exp(w) for w in row) for v in row]
        confidence = max(p)
        bin_ = min(14, math.ceil(confidence * 15) - 1)
        gaps[bin_] += (p.index(confidence) == label) - confidence
    expected = sum(map(abs, gaps)) / 300
    assert expected_calibration_error(logits, labels) == pytest.approx(expected)


def test_a_sure_and_right_network_is_calibrated():
    logits = np.where(np.eye(3, dtype=bool), 100.0, 0.0)
    assert expected_calibration_error(logits, np.arange(3)) == 0
    assert expected_calibration_error(logits, np.array([1, 2, 0])) == 1
    with pytest.raises(BadInput, match='bins must be at least 1'):
        expected_calibration_error(logits, np.arange(3), bins=0)


def energy_by_loops(x: np.ndarray, stride: int) -> float:
    """The share of one map's energy above the new Nyquist frequency, by plain sums."""
    height, width = x.shape
    high = total = 0.0
    for u in range(height):
        for v in range(width):
            wave = sum(
                x[i, j] * np.exp(-2j * np.pi * (u * i / height + v * j / width))
                for i in range(height)
                for j in range(width)
            )
            if u or v:
                fu, fv = min(u, height - u) / height, min(v, width - v) / width
                total += abs(wave) ** 2
                high += abs(wave) ** 2 * (max(fu, fv) > 1 / (2 * stride) + 1e-9)
    return high / total


@pytest.mark.parametrize(('size', 'stride'), [((6, 8), 2), ((7, 5), 2), ((6, 9), 3)])
def test_aliasing_by_loops(size: tuple[int, int], stride: int):
    maps = np.random.default_rng(1).normal(size=(2, *size, 3))
    expected = np.mean([energy_by_loops(x[..., c], stride) for x in maps for c in range(3)])
    assert energy_above_nyquist(maps, stride=stride) == pytest.approx(expected)


def test_flat_maps_do_not_count_and_only_flat_ones_have_none():
    waves = np.random.default_rng(2).normal(size=(1, 8, 8, 1))
    flat = np.full((1, 8, 8, 1), 3.0)
    both = np.concatenate([waves, flat], axis=-1)
    alone = energy_above_nyquist(waves, stride=2)
    assert energy_above_nyquist(both, stride=2) == pytest.approx(alone)
    assert energy_above_nyquist(flat, stride=2) == 0.0
    with pytest.raises(BadInput, match='maps must be'):
        energy_above_nyquist(np.zeros((0, 4, 4, 1)), stride=2)


def band_limited(seed: int, images: int = 40) -> np.ndarray:
    """Periodic images without the highest frequency."""
    draw = np.random.default_rng(seed)
    spectrum = np.fft.fft2(draw.normal(size=(images, 8, 8, 1)), axes=(1, 2))
    spectrum[:, 4] = spectrum[:, :, 4] = 0
    return np.fft.ifft2(spectrum, axes=(1, 2)).real.astype(np.float32)


def test_energy_does_not_change_between_pixels_and_a_subsampled_maximum_does():
    """The energy of a band-limited image is the same under every shift, whole or half."""
    images, key = band_limited(0), jax.random.key(1)

    def by_energy(x):
        energy = (jnp.asarray(x) ** 2).sum((1, 2, 3))
        return jnp.stack([jnp.full_like(energy, 60.0), jnp.round(energy, 2)], 1)

    def by_maximum(x):
        most = jnp.asarray(x).max((1, 2, 3))
        return jnp.stack([jnp.full_like(most, float(np.median(images.max((1, 2, 3))))), most], 1)

    assert half_pixel_consistency(by_energy, images, key=key).mean() == 1
    assert shift_consistency(by_maximum, images, key=key, border='circular').mean() == 1
    assert half_pixel_consistency(by_maximum, images, key=key).mean() < 1


def test_half_pixel_consistency_by_a_slow_fourier_shift():
    images, key = band_limited(3, images=12), jax.random.key(2)

    def predict(x):
        x = jnp.asarray(x)
        return jnp.stack([x[:, 0, 0, 0], x[:, 3, 5, 0], x[:, 6, 2, 0]], 1)

    pairs = draw_shift_pairs(key, 12, max_shift=4)
    f = np.fft.fftfreq(8)
    expected = []
    for image, pair in zip(images[..., 0].astype(float), pairs, strict=True):
        answers = []
        for down, right in pair / 2:
            turn = np.exp(-2j * np.pi * (f[:, None] * down + f[None, :] * right))
            moved = np.fft.ifft2(np.fft.fft2(image) * turn).real
            answers.append(np.argmax([moved[0, 0], moved[3, 5], moved[6, 2]]))
        expected.append(answers[0] == answers[1])
    found = half_pixel_consistency(predict, images, key=key, max_shift=2, batch_size=5)
    np.testing.assert_array_equal(found.astype(bool), expected)


def test_with_a_margin_a_shift_brings_in_real_content():
    classifier = Classifier(ConvNet1(Max(), 10), mean=(0.5,), std=(0.25,), margin=3)
    variables = classifier.init(jax.random.key(0), (28, 28, 1))
    assert variables['params']['dense']['kernel'].shape[0] == 5 * 5 * 32  # of 22x22
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), np.uint8)
    predict, key = predictor(classifier, variables), jax.random.key(5)
    inner = Classifier(ConvNet1(Max(), 10), mean=(0.5,), std=(0.25,))
    pairs = draw_shift_pairs(key, 6, max_shift=3)
    answers = [
        [
            inner.logits(variables, jnp.asarray(x[None, 3 - dy : 25 - dy, 3 - dx : 25 - dx]))
            .argmax()
            .item()
            for dy, dx in pair
        ]
        for x, pair in zip(images, pairs, strict=True)
    ]
    found = shift_consistency(predict, images, key=key)
    np.testing.assert_array_equal(found.astype(bool), [one == other for one, other in answers])


def test_floats_and_whole_numbers_get_the_same_logits():
    classifier = Classifier(ConvNet1(Max(), 10), mean=(0.5,), std=(0.25,))
    variables = classifier.init(jax.random.key(0), (28, 28, 1))
    images = jnp.asarray(np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), np.uint8))
    one = predictor(classifier, variables)(images)
    other = predictor(classifier, variables, floats=True)(images.astype(jnp.float32))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_config_names_every_measure():
    known = set(choices('classification'))
    assert known == set(MEASURES) and set(CHEAP['classification']) < known


def test_a_measure_finds_what_it_is_said_to_find():
    classifier = Classifier(ConvNet1(Max(), 10), mean=(0.5,), std=(0.25,))
    variables = classifier.init(jax.random.key(0), (28, 28, 1))
    draw = np.random.default_rng(0)
    test = Split(
        draw.integers(0, 256, (12, 28, 28, 1), np.uint8), np.arange(12, dtype=np.int32) % 10
    )
    evaluation = Evaluation(measures=choices('classification'), batch_size=12, max_shift=1)
    logits = predict_logits(predictor(classifier, variables), test.images, batch_size=12)
    judged = Judged(classifier, variables, evaluation, test, logits, 10, jax.random.key(1))
    for choice in choices('classification'):
        found = MEASURES[choice](judged)
        known = OF_TASKS['classification'].items()
        named = {name for name, measure in known if measure.chosen_as == choice}
        assert named <= set(found), choice
    assert MEASURES['inference'](judged)['inference_per_second'] > 0


@pytest.mark.parametrize('border', ['zero', 'circular'])
def test_averaging_over_shifts_by_loops(border):
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 1), np.uint8)
    weights = np.random.default_rng(1).normal(size=(6 * 7, 3)).astype(np.float32) / 99
    found = averaged_over_shifts(
        lambda x: x.reshape(len(x), -1).astype(jnp.float32) @ weights, border=border
    )(jnp.asarray(images))
    for image, row in zip(images, np.asarray(found), strict=True):
        total = np.zeros(3)
        for dy, dx in all_shifts(1):
            moved = np.roll(image, (dy, dx), (0, 1)).astype(np.float64)
            if border == 'zero':
                moved[: dy if dy > 0 else 0] = 0
                moved[6 + dy if dy < 0 else 6 :] = 0
                moved[:, : dx if dx > 0 else 0] = 0
                moved[:, 7 + dx if dx < 0 else 7 :] = 0
            p = np.exp(moved.ravel() @ weights)
            total += p / p.sum() / 9
        np.testing.assert_allclose(row, np.log(total), atol=1e-5)


def test_a_constant_predictor_is_consistent_and_as_right_as_accurate():
    images = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 1), np.uint8)
    labels = np.arange(10) % 2
    answers = shifted_answers(
        lambda x: jnp.tile(jnp.array([0.0, 1.0]), (len(x), 1)),
        images,
        draw_shift_pairs(jax.random.key(0), 10, max_shift=2),
    )
    assert (answers[:, 0] == answers[:, 1]).all()
    assert (answers == labels[:, None]).all(1).mean() == (labels == 1).mean()


def test_a_function_that_no_circular_shift_moves_is_consistent():
    def predict(x):  # sums of whole numbers: the same to the bit, wherever the image lies
        values = x.astype(jnp.int32)
        return jnp.stack([values.sum((1, 2, 3)), (values**2).sum((1, 2, 3))], 1) * 1.0

    images = np.random.default_rng(0).integers(0, 3, (50, 6, 5, 1), np.uint8)
    found = shift_consistency(predict, images, key=jax.random.key(0), border='circular')
    assert found.mean() == 1


def test_speed_counts_images_and_not_the_compilation():
    calls = []

    def predict(x):
        calls.append(len(x))
        time.sleep(0.2 if len(calls) == 1 else 0.01)
        return np.zeros((len(x), 2), np.float32)

    images = np.zeros((3, 2, 2, 1), np.uint8)
    speed = images_per_second(predict, images, batch_size=4, batches=5)
    assert calls == [4] * 6 and 4 / 0.2 < speed < 4 / 0.01


def test_cutout_covers_one_square_with_the_mean():
    draw = np.random.default_rng(0)
    images = jnp.asarray(draw.integers(0, 256, (64, 12, 10, 3), np.uint8))
    covered = augment_images(jax.random.key(0), images, Augment(cutout=4))
    sizes = set()
    for before, after in zip(np.asarray(images), np.asarray(covered), strict=True):
        changed = (before != after).any(-1)
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        square = after[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        mean = before.reshape(-1, 3).mean(0)
        assert (np.abs(square - mean) <= 0.5 + 1e-3).all()
        sizes.add(square.shape[:2])
    assert max(sizes) == (4, 4) and all(h <= 4 and w <= 4 for h, w in sizes)
    with pytest.raises(BadInput, match='augment.cutout must be a number of pixels'):
        Augment(cutout=-1)
