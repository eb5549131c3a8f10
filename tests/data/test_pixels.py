"""The same image in every file format gives the same pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from cnn_jax.data.pixels import decode_picture
from cnn_jax.errors import BadInput

GREY = np.random.default_rng(0).integers(0, 256, (6, 5), np.uint8)
BLACK_WHITE = np.where(GREY > 127, 255, 0).astype(np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 5, 3), np.uint8)
ALPHA = Image.fromarray(np.random.default_rng(2).integers(0, 256, (6, 5), np.uint8))


def saved(picture: Image.Image, kind: str = 'PNG', **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, format=kind, **options)
    return file.getvalue()


def png(pixels: np.ndarray, *, depth: int, kind: int) -> bytes:
    """A PNG written by hand, for the depths that Pillow does not write; rows fill whole bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        )

    rows = b''.join(b'\0' + row.tobytes() for row in pixels)
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[kind]
    width = pixels[0].nbytes * 8 // (depth * channels)
    header = struct.pack('>IIBBBBB', width, len(pixels), depth, kind, 0, 0, 0)
    parts = chunk(b'IHDR', header), chunk(b'IDAT', zlib.compress(rows)), chunk(b'IEND', b'')
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


def with_alpha(picture: Image.Image) -> Image.Image:
    picture = picture.copy()
    picture.putalpha(ALPHA)
    return picture


def colour_files() -> dict[str, bytes]:
    colour = Image.fromarray(COLOUR)
    palette = colour.quantize(256)  # 30 colours: exact
    see_through = palette.copy()
    see_through.info['transparency'] = bytes(range(0, 256))
    wide = COLOUR.astype('>u2') * 257
    wide_alpha = np.dstack([wide, np.asarray(ALPHA).astype('>u2') * 257])
    return {
        'RGB': saved(colour),
        'RGBA': saved(with_alpha(colour)),
        'palette': saved(palette),
        'palette with transparency': saved(see_through, transparency=bytes(range(256))),
        'palette GIF': saved(palette, 'GIF'),
        'CMYK': saved(colour.convert('CMYK'), 'TIFF'),
        'BMP': saved(colour, 'BMP'),
        '16 bits': png(wide, depth=16, kind=2),
        '16 bits with alpha': png(wide_alpha, depth=16, kind=6),
        'animation': saved(
            colour, 'WEBP', lossless=True, save_all=True, append_images=[ALPHA.convert('RGB')]
        ),
    }


def grey_files() -> dict[str, bytes]:
    grey = Image.fromarray(GREY)
    wide = GREY.astype('>u2') * 257
    both = np.dstack([wide, np.asarray(ALPHA).astype('>u2') * 257])
    return {
        'L': saved(grey),
        'LA': saved(with_alpha(grey)),
        'palette': saved(grey.convert('P')),
        'RGB': saved(grey.convert('RGB')),
        'RGBA': saved(with_alpha(grey.convert('RGB'))),
        'CMYK': saved(grey.convert('RGB').convert('CMYK'), 'TIFF'),
        '16 bits': png(wide, depth=16, kind=0),
        '16 bits by Pillow': saved(Image.fromarray(GREY.astype(np.uint16) * 257)),
        '16 bits, big-endian TIFF': saved(Image.fromarray(wide), 'TIFF'),
        '16 bits with alpha': png(both, depth=16, kind=4),
    }


@pytest.mark.parametrize('kind', colour_files())
def test_colour(kind: str):
    pixels = decode_picture(colour_files()[kind], 3)
    np.testing.assert_array_equal(pixels, COLOUR)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('kind', grey_files())
def test_grey(kind: str, channels: int):
    pixels = decode_picture(grey_files()[kind], channels)
    np.testing.assert_array_equal(pixels, np.repeat(GREY[..., None], channels, -1))


@pytest.mark.parametrize('channels', [1, 3])
def test_one_bit(channels: int):
    expected = np.repeat(BLACK_WHITE[..., None], channels, -1)
    data = saved(Image.fromarray(BLACK_WHITE).convert('1'))
    np.testing.assert_array_equal(decode_picture(data, channels), expected)


@pytest.mark.parametrize('depth', [2, 4])
def test_few_bits(depth: int):
    """2 bits: 0, 85, 170, 255. 4 bits: multiples of 17."""
    packed = np.array([[0b00011011], [0b11100100]], np.uint8)
    levels = {2: [[0, 85, 170, 255], [255, 170, 85, 0]], 4: [[17, 187], [238, 68]]}[depth]
    decoded = decode_picture(png(packed, depth=depth, kind=0), 1)
    assert decoded[..., 0].tolist() == levels


def test_sixteen_bits_keep_the_upper_eight_in_grey_as_in_colour():
    wide = np.random.default_rng(3).integers(0, 65536, (6, 5)).astype('>u2')
    grey = decode_picture(png(wide, depth=16, kind=0), 1)[..., 0]
    colour = decode_picture(png(np.repeat(wide[..., None], 3, -1), depth=16, kind=2), 3)[..., 0]
    np.testing.assert_array_equal(grey, wide >> 8)
    np.testing.assert_array_equal(colour, grey)
    assert abs(wide / 257 - grey).max() < 1


@pytest.mark.parametrize('mode', ['RGB', 'CMYK', 'L'])
def test_jpeg_within_its_losses(mode: str):
    smooth = np.add.outer(np.arange(32), np.arange(32)).astype(np.uint8) * 4
    colour = np.dstack([smooth, smooth.T // 2, 255 - smooth])
    expected = smooth[..., None].repeat(3, -1) if mode == 'L' else colour
    picture = Image.fromarray(smooth) if mode == 'L' else Image.fromarray(colour).convert(mode)
    pixels = decode_picture(saved(picture, 'JPEG', quality=100, subsampling=0), 3)
    assert abs(pixels.astype(int) - expected).max() <= 3


def test_colour_becomes_grey_by_luma():
    data = saved(Image.fromarray(np.eye(3, dtype=np.uint8)[None] * 255))
    assert decode_picture(data, 1)[..., 0].tolist() == [[76, 150, 29]]


def test_alpha_stays_where_it_is_declared():
    data = saved(with_alpha(Image.fromarray(COLOUR)))
    np.testing.assert_array_equal(decode_picture(data, 4), np.dstack([COLOUR, np.asarray(ALPHA)]))
    assert (decode_picture(saved(Image.fromarray(COLOUR)), 4)[..., 3] == 255).all()
    data = saved(with_alpha(Image.fromarray(GREY)))
    np.testing.assert_array_equal(decode_picture(data, 2), np.dstack([GREY, np.asarray(ALPHA)]))


@pytest.mark.parametrize('mode', ['I', 'F', 'LAB'])
def test_what_has_no_range_is_refused(mode: str):
    with pytest.raises(BadInput, match=f'of the kind {mode!r} have no range'):
        decode_picture(saved(Image.new(mode, (3, 2)), 'TIFF'), 1)


@pytest.mark.parametrize('data', [b'', b'words', saved(Image.fromarray(COLOUR))[:-40]])
def test_what_is_no_whole_picture_is_refused(data: bytes):
    with pytest.raises(BadInput, match='no (whole )?picture') as error:
        decode_picture(data, 3)
    assert '\n' not in str(error.value)


def test_odd_channels_are_refused():
    with pytest.raises(BadInput, match='0 channels are asked for'):
        decode_picture(saved(Image.fromarray(COLOUR)), 0)
