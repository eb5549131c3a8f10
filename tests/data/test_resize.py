import numpy as np
import pytest

from cnn_jax.data.resize import ImageSize, checked_size, fit_image
from cnn_jax.errors import BadInput


@pytest.mark.parametrize('channels', [1, 3])
def test_the_middle_is_kept_and_halving_averages(channels: int):
    """40 x 80 to 20 x 20: columns 20 to 59 remain, and each 2 x 2 block becomes about its mean."""
    image = np.zeros((40, 80, channels), np.uint8)
    image[:, :20] = image[:, 60:] = 255
    image[:, 20:60] = 100
    fitted = fit_image(image, ImageSize(20, 20))
    assert fitted.shape == (20, 20, channels) and fitted.dtype == np.uint8
    assert (fitted[:, 1:-1] == 100).all()
    fine = np.indices((40, 40)).sum(0)[..., None].repeat(channels, 2) % 2 * 255
    assert abs(fit_image(fine.astype(np.uint8), ImageSize(20, 20)).astype(int) - 127).max() <= 3


def test_rows_stay_rows_and_columns_columns():
    """20 x 60 to 10 x 15: the brightness of a column tells where it came from."""
    image = np.tile(np.arange(60, dtype=np.uint8)[None, :, None] * 4, (20, 1, 1))
    fitted = fit_image(image, ImageSize(10, 15))[..., 0].astype(int)
    assert (fitted == fitted[0]).all()
    np.testing.assert_allclose(fitted[0, 1:-1], 4 * (15.5 + 2 * np.arange(1, 14)), atol=2)


def test_enlarges():
    assert (
        fit_image(np.full((4, 4, 3), 9, np.uint8), ImageSize(7, 5)).tolist() == [[[9] * 3] * 5] * 7
    )


def test_an_image_of_the_right_size_is_untouched():
    image = np.zeros((5, 6, 2), np.uint8)
    assert fit_image(image, ImageSize(5, 6)) is image


def test_odd_channels_are_refused():
    with pytest.raises(BadInput, match='2 channels'):
        fit_image(np.zeros((5, 6, 2), np.uint8), ImageSize(3, 3))


@pytest.mark.parametrize('size', [(0, 4), (4, -1)])
def test_a_size_without_pixels_is_refused(size: tuple[int, int]):
    with pytest.raises(BadInput, match='both above 0'):
        checked_size(size)
