"""Images shifted by whole pixels, and periodic maps by any fraction of a pixel."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num


def shift_images(
    images: Num[Array, 'batch height width channels'],
    shifts: Int[Array, 'batch 2'],
    *,
    border: str,
) -> Num[Array, 'batch height width channels']:
    """Moves each image's content down and right by its (dy, dx), in whole pixels.

    `border` 'zero' fills what moves in with zeros; 'circular' wraps around.

    >>> image = jnp.arange(1, 5, dtype=jnp.uint8).reshape(1, 1, 4, 1)
    >>> shift_images(image, jnp.array([[0, 1]]), border='zero')[0, 0, :, 0].tolist()
    [0, 1, 2, 3]
    >>> shift_images(image, jnp.array([[0, 1]]), border='circular')[0, 0, :, 0].tolist()
    [4, 1, 2, 3]
    """
    if border not in ('zero', 'circular'):
        raise ValueError(f"border must be 'zero' or 'circular'; got {border!r}")

    def source(size: int, shift: Array) -> tuple[Array, Array]:
        rows = jnp.arange(size) - shift[:, None]
        inside = (rows >= 0) & (rows < size)
        return rows % size, inside | (border == 'circular')

    height, width = images.shape[1:3]
    rows, row_inside = source(height, shifts[:, 0])
    columns, column_inside = source(width, shifts[:, 1])
    moved = jax.vmap(lambda image, r, c: image[r][:, c])(images, rows, columns)
    inside = row_inside[:, :, None, None] & column_inside[:, None, :, None]
    return jnp.where(inside, moved, jnp.zeros((), images.dtype))


def fourier_shift(
    x: Float[Array, 'batch height width channels'],
    down: int | float | Array,
    right: int | float | Array,
) -> Float[Array, 'batch height width channels']:
    """Shifts a periodic map by any fraction of a pixel, exactly where it is band-limited.

    Each frequency f (cycles per pixel) is multiplied by exp(-2 pi i f shift); the Nyquist frequency
    of an even size by the real part, cos(pi shift), since a real map cannot hold the rest. A shift
    by whole pixels equals `jnp.roll`.

    >>> x = jnp.arange(4.0).reshape(1, 1, 4, 1)
    >>> fourier_shift(x, 0, 1)[0, 0, :, 0].round(4).tolist()
    [3.0, 0.0, 1.0, 2.0]
    """
    _, height, width, _ = x.shape
    spectrum = jnp.fft.fft2(x.astype(jnp.float32), axes=(1, 2))
    turned = spectrum * _turn(height, down)[:, None, None] * _turn(width, right)[:, None]
    return jnp.fft.ifft2(turned, axes=(1, 2)).real.astype(x.dtype)


def _turn(size: int, shift: int | float | Array) -> Array:
    frequencies = jnp.fft.fftfreq(size)
    turn = jnp.exp(-2j * jnp.pi * frequencies * shift)
    return turn.at[size // 2].set(turn[size // 2].real) if size % 2 == 0 else turn
