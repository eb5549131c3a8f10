"""The four files of Fashion-MNIST: their names, their hashes, and how they are read."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from cnn_jax.data.idx import idx_header, parse_idx, unzip
from cnn_jax.errors import BadInput

PUBLISHED: Mapping[str, str] = {
    'train-images-idx3-ubyte': 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
    'train-labels-idx1-ubyte': 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
    't10k-images-idx3-ubyte': '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
    't10k-labels-idx1-ubyte': '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
}
"""File name -> SHA-256 of the uncompressed file."""

CLASS_NAMES = (
    'T-shirt/top',
    'Trouser',
    'Pullover',
    'Dress',
    'Coat',
    'Sandal',
    'Shirt',
    'Sneaker',
    'Bag',
    'Ankle boot',
)

PREFIXES = {'train': 'train', 'test': 't10k'}
"""Split name -> how its two files' names begin."""

Arrays = dict[str, tuple[np.ndarray, np.ndarray]]
"""Split name -> (images `(n, 28, 28)`, labels `(n,)`), both uint8."""


def find_file(folder: Path, name: str) -> Path | None:
    """`NAME.gz` or `NAME` in `folder`, in this order; None if neither is there.

    >>> find_file(Path('no-such-folder'), 't10k-labels-idx1-ubyte') is None
    True
    """
    for path in (folder / f'{name}.gz', folder / name):
        if path.is_file():
            return path
    return None


def missing_files(folder: Path, names: Iterable[str] = PUBLISHED) -> list[str]:
    """Those of `names` that `folder` holds neither gzipped nor raw.

    >>> len(missing_files(Path('no-such-folder')))
    4
    """
    return [name for name in names if find_file(folder, name) is None]


def read_files(
    folder: Path,
    hashes: Mapping[str, str] = PUBLISHED,
    *,
    remedy: str = 'Put the published file in its place, or move it away.',
) -> Arrays | None:
    """Reads the four files in `folder`, gzipped or raw; None if any is missing.

    hashes: as `PUBLISHED`. A file that is there but truncated or altered raises `BadInput`, which
    names it and ends in `remedy`, whether the other files are there or not.

    >>> read_files(Path('no-such-folder')) is None
    True
    """
    arrays = {}
    for name, expected in hashes.items():
        path = find_file(folder, name)
        if path is not None:
            arrays[name] = _read_file(path, expected, remedy)
    if len(arrays) < len(hashes):
        return None
    return {
        split: (arrays[f'{prefix}-images-idx3-ubyte'], arrays[f'{prefix}-labels-idx1-ubyte'])
        for split, prefix in PREFIXES.items()
    }


def _read_file(path: Path, expected: str, remedy: str) -> UInt8[np.ndarray, '...']:
    try:
        data = unzip(path.read_bytes())
        array = parse_idx(data)
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            raise BadInput(f'SHA-256 of its contents is {found[:12]}..., not {expected[:12]}...')
    except (BadInput, OSError) as error:
        reason = str(error).rstrip('.')
        raise BadInput(
            f'{path} is not the published Fashion-MNIST file: {reason}. {remedy}'.strip()
        ) from error
    return array


def array_hash(array: UInt8[np.ndarray, '...']) -> str:
    """SHA-256 of the raw IDX file that holds `array`, to compare with `PUBLISHED`.

    >>> array_hash(np.arange(3, dtype=np.uint8))[:8]
    'b42326e5'
    """
    digest = hashlib.sha256(idx_header(array))
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
