import numpy as np
import pytest

from cnn_jax.data import Split, split_validation
from cnn_jax.errors import BadInput


def numbered(count: int) -> Split:
    """Images that tell their own index, as their label does."""
    index = np.arange(count)
    images = np.stack([index // 256, index % 256], axis=1).astype(np.uint8)
    return Split(images.reshape(count, 1, 2, 1), index.astype(np.int32))


@pytest.mark.parametrize(('fraction', 'size'), [(0.1, 100), (0.5, 500), (0.0014, 1), (0.999, 999)])
def test_both_parts_together_are_the_whole_in_order(fraction: float, size: int):
    rest, validation = split_validation(numbered(1000), fraction=fraction, seed=3)
    assert len(validation) == size
    np.testing.assert_array_equal(
        np.sort(np.concatenate([rest.labels, validation.labels])), np.arange(1000)
    )
    for part in (rest, validation):
        assert (np.diff(part.labels) > 0).all()
        index = part.images[:, 0, 0, 0].astype(int) * 256 + part.images[:, 0, 1, 0]
        np.testing.assert_array_equal(index, part.labels)


def test_the_seed_decides_and_the_choice_never_changes():
    chosen = [
        split_validation(numbered(60), fraction=0.1, seed=seed)[1].labels.tolist()
        for seed in (0, 0, 1)
    ]
    assert chosen[0] == chosen[1] != chosen[2]
    assert chosen[0] == EXPECTED_OF_SEED_0


EXPECTED_OF_SEED_0 = [7, 18, 21, 29, 30, 49]


def test_every_image_is_as_likely_as_any_other():
    counts = np.zeros(50)
    for seed in range(400):
        counts[split_validation(numbered(50), fraction=0.2, seed=seed)[1].labels] += 1
    assert counts.sum() == 400 * 10
    assert abs(counts - 80).max() < 5 * np.sqrt(400 * 0.2 * 0.8)


@pytest.mark.parametrize('fraction', [0.0, 1.0, -0.1, 1.5, float('nan')])
def test_a_fraction_out_of_range_is_refused(fraction: float):
    with pytest.raises(BadInput, match='give a number between 0 and 1'):
        split_validation(numbered(10), fraction=fraction, seed=0)


@pytest.mark.parametrize('fraction', [0.01, 0.99])
def test_an_empty_part_is_refused(fraction: float):
    with pytest.raises(BadInput, match='of 10 images leaves'):
        split_validation(numbered(10), fraction=fraction, seed=0)
