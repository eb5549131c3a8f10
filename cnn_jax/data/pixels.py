"""Decodes an image file into pixels with the channels that a data set declares."""

import io

import numpy as np
from jaxtyping import UInt8

from cnn_jax.errors import BadInput

_MODES = {1: 'L', 2: 'LA', 3: 'RGB', 4: 'RGBA'}  # channels -> Pillow's name
_SIXTEEN_BITS = ('I;16', 'I;16L', 'I;16B', 'I;16N')
_EIGHT_BITS = ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'RGBX', 'CMYK', 'YCbCr')
_FORMATS = ('PNG', 'JPEG', 'JPEG2000', 'GIF', 'BMP', 'DIB', 'TIFF', 'WEBP', 'PPM')


def decode_picture(data: bytes, channels: int) -> UInt8[np.ndarray, 'height width {channels}']:
    """The pixels of a PNG, JPEG, GIF, BMP, TIFF, WebP or PPM file, decoded by Pillow.

    channels: 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA), whatever the file itself holds.
    Palette colours are looked up and CMYK becomes RGB. Alpha is dropped, not blended, unless it is
    requested, and the upper 8 of 16 bits are kept, as in libpng and TensorFlow. Colour becomes
    grey by .299 R + .587 G + .114 B (ITU-R 601). An animation gives its first frame; EXIF
    orientation and colour profiles are not applied.

    Raises `BadInput` for anything but a complete image, and for modes without a range to scale
    from: 32-bit integers, floats, L*a*b*.

    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new('CMYK', (2, 1), (255, 0, 0, 0)).save(file, format='TIFF')
    >>> decode_picture(file.getvalue(), 3).tolist()
    [[[0, 255, 255], [0, 255, 255]]]
    """
    from PIL import Image, UnidentifiedImageError

    wanted = _MODES.get(channels)
    if wanted is None:
        raise BadInput(f'{channels} channels are asked for: only 1 to 4 can be decoded.')
    Image.init()  # before it, Pillow knows few formats; a second call does nothing
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            picture.load()
            if picture.mode in _SIXTEEN_BITS:
                picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
            elif picture.mode not in _EIGHT_BITS:
                raise BadInput(f'pixels of the kind {picture.mode!r} have no range to scale from')
            elif picture.mode == 'P':
                picture = picture.convert('RGBA')  # direct to RGB, Pillow warns of transparency
            pixels = np.asarray(picture.convert(wanted), np.uint8)
    except BadInput:
        raise
    except UnidentifiedImageError as error:
        raise BadInput(f'no picture: {len(data)} bytes that begin {data[:8]!r}') from error
    except Exception as error:  # Pillow raises all kinds of errors for damaged files
        reason = ' '.join(str(error).split())[:80]
        raise BadInput(f'no whole picture ({type(error).__name__}: {reason})') from error
    return pixels.reshape(*pixels.shape[:2], channels)
