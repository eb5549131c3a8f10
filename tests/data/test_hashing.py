import numpy as np
import pytest

from cnn_jax.data.hashing import random_bits
from cnn_jax.errors import BadInput

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(bits: int) -> int:
    """SplitMix64's mixer in whole numbers of any size."""
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & MASK
    return bits ^ (bits >> 31)


def test_the_oracle_is_splitmix64():
    assert [mix(GOLDEN * i & MASK) for i in (1, 2)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


@pytest.mark.parametrize(('seed', 'stream'), [(0, 0), (1, 0), (0, 1), (2**64 - 1, 2**64 - 1)])
def test_equals_the_oracle(seed: int, stream: int):
    key = mix(mix((seed + GOLDEN) & MASK) ^ stream)
    expected = [mix((key + i * GOLDEN) & MASK) for i in range(5)]
    assert random_bits(5, seed=seed, stream=stream).tolist() == expected


def test_values_are_distinct_and_even():
    bits = random_bits(20_000, seed=3)
    assert len(np.unique(bits)) == len(bits)
    ones = np.unpackbits(bits.view(np.uint8).reshape(-1, 8), axis=1).mean(axis=0)
    np.testing.assert_allclose(ones, 0.5, atol=0.02)  # more than five standard deviations


def test_seeds_and_streams_differ_and_counts_do_not():
    same = random_bits(4, seed=7, stream=1)
    np.testing.assert_array_equal(random_bits(9, seed=7, stream=1)[:4], same)
    assert not np.isin(random_bits(4, seed=8, stream=1), same).any()
    assert not np.isin(random_bits(4, seed=7, stream=2), same).any()


@pytest.mark.parametrize('seed', [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed: int):
    with pytest.raises(BadInput, match=f'seed is {seed}'):
        random_bits(1, seed=seed)
