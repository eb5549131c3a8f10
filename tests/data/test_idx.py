import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_jax.data.idx import idx_header, parse_idx, unzip
from cnn_jax.errors import BadInput

PICTURES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
RAW = struct.pack('>BBBBIII', 0, 0, 8, 3, 2, 3, 4) + bytes(range(24))


@pytest.mark.parametrize('data', [RAW, gzip.compress(RAW)], ids=['raw', 'gz'])
def test_reads_what_the_format_says(data: bytes):
    np.testing.assert_array_equal(parse_idx(data), PICTURES)
    assert parse_idx(data).dtype == np.uint8


def test_header_is_the_formats():
    assert idx_header(PICTURES) == RAW[:16]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_round_trip(shape: list[int]):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    back = parse_idx(idx_header(array) + array.tobytes())
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize('length', range(len(RAW)))
def test_every_truncation_is_refused(length: int):
    with pytest.raises(BadInput, match='truncated'):
        parse_idx(RAW[:length])


@pytest.mark.parametrize('length', [2, 10, 17, -9, -1])
def test_truncated_gzip_is_refused(length: int):
    with pytest.raises(BadInput, match='truncated or damaged gzip'):
        parse_idx(gzip.compress(RAW)[:length])


def test_damaged_gzip_is_refused():
    data = bytearray(gzip.compress(RAW))
    data[-6] ^= 1  # in the checksum
    with pytest.raises(BadInput, match='damaged gzip'):
        unzip(bytes(data))


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (RAW + b'x', '1 bytes too many after 24 values'),
        (b'\x89PNG' + RAW[4:], 'not IDX data: it starts with 89504e47'),
        (RAW[:2] + b'\x0d' + RAW[3:], 'type 0x0d is not supported'),
        (RAW[:3] + b'\0', 'no axes'),
        (RAW[:-1], 'promises 24 values .2, 3, 4., 23 are there'),
        (struct.pack('>BBBBII', 0, 0, 8, 2, 2**32 - 1, 2**32 - 1), 'promises 18446744065119617025'),
    ],
)
def test_wrong_data_is_refused_by_name(data: bytes, message: str):
    with pytest.raises(BadInput, match=message):
        parse_idx(data)
