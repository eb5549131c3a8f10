"""The IDX file format (MNIST and its relatives): bytes to arrays and back, nothing about disks.

An IDX file is two zero bytes, one byte for the type (0x08 is uint8, the only one read here), one
for the number of axes, each axis' length as a big-endian uint32, then the values. It may
be gzipped.
"""

import gzip
import zlib
from math import prod

import numpy as np
from jaxtyping import UInt8

from cnn_jax.errors import BadInput, require

_GZIP_MAGIC = b'\x1f\x8b'
_UINT8 = 0x08


def unzip(data: bytes) -> bytes:
    """`data` itself, or its contents if it is gzipped. `BadInput` if the gzip stream is damaged.

    >>> unzip(gzip.compress(b'abc')), unzip(b'abc')
    (b'abc', b'abc')
    """
    if not data.startswith(_GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise BadInput(f'truncated or damaged gzip data ({error})') from error


def parse_idx(data: bytes) -> UInt8[np.ndarray, '...']:
    """The array in an IDX file's bytes, gzipped or raw; read-only, in the file's own axes.

    Raises `BadInput` for a wrong magic number, a type other than uint8, a truncated header, and for
    fewer or more values than the header declares.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])).tolist()
    [7, 8, 9]
    """
    data = unzip(data)
    require(len(data) >= 4, f'truncated IDX data: {len(data)} bytes, not even a magic number')
    require(data[:2] == b'\0\0', f'not IDX data: it starts with {data[:4].hex()}, not with 0000')
    require(data[2] == _UINT8, f'IDX type 0x{data[2]:02x} is not supported, only uint8 (0x08)')
    axes = data[3]
    require(axes > 0, 'not IDX data: it has no axes')
    start = 4 + 4 * axes
    require(len(data) >= start, f'truncated IDX data: the header of {axes} axes is cut short')
    shape = tuple(int(length) for length in np.frombuffer(data, '>u4', count=axes, offset=4))
    promised, present = prod(shape), len(data) - start
    require(
        present >= promised,
        f'truncated IDX data: the header promises {promised} values {shape}, {present} are there',
    )
    require(
        present == promised,
        f'wrong IDX data: {present - promised} bytes too many after {promised} values {shape}',
    )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def idx_header(array: UInt8[np.ndarray, '...']) -> bytes:
    """The IDX header of a uint8 array: header plus the array's bytes make the whole raw file.

    >>> array = np.array([[1, 2, 3]], np.uint8)
    >>> parse_idx(idx_header(array) + array.tobytes()).tolist()
    [[1, 2, 3]]
    """
    return bytes([0, 0, _UINT8, array.ndim]) + np.array(array.shape, '>u4').tobytes()
