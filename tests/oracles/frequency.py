"""Downsampling in the frequency domain by NumPy's FFT and sums of exponentials, in float64.

Maps are (batch, height, width, channels); spectra are divided by height * width, so bin 0 is the
mean.
"""

import itertools
from fractions import Fraction

import numpy as np

AXES = (1, 2)


def spectrum(x):
    return np.fft.fft2(np.asarray(x, np.float64), axes=AXES, norm='forward')


def signal(spectrum):
    return np.fft.ifft2(spectrum, axes=AXES, norm='forward')


def ceil_sizes(x, stride):
    return [-(-n // s) for n, s in zip(x.shape[1:3], stride, strict=True)]


def folded(size):
    """(bin, weight) pairs of a grid of `size`: an even grid averages its bins +-size/2."""
    return [(k, 0.5 if 2 * abs(k) == size else 1.0) for k in range(-(size // 2), size // 2 + 1)]


def spectral_pool(x, size):
    """Complex, so that a test can see that nothing is imaginary."""
    source, (height, width) = spectrum(x), x.shape[1:3]
    cropped = np.zeros((x.shape[0], *size, x.shape[-1]), complex)
    for (k, a), (q, b) in itertools.product(folded(size[0]), folded(size[1])):
        cropped[:, k % size[0], q % size[1]] += a * b * source[:, k % height, q % width]
    return signal(cropped)


def crop_shifted(x, stride, window):
    """Shift bin 0 to the centre, weight, cut the middle out, shift back, real part."""
    source = np.fft.fftshift(spectrum(x), axes=AXES)
    cuts = []
    for axis, (n, m) in enumerate(zip(x.shape[1:3], ceil_sizes(x, stride), strict=True), 1):
        shape = [1] * 4
        shape[axis] = n
        source = source * np.sqrt([window((i - n // 2) / n) for i in range(n)]).reshape(shape)
        cuts.append(slice(n // 2 - m // 2, n // 2 - m // 2 + m))
    cut = source[:, cuts[0], cuts[1]]
    return signal(np.fft.ifftshift(cut, axes=AXES)).real


def flc_pool(x, stride):
    return crop_shifted(x, stride, lambda frequency: 1.0)


def asap_pool(x, stride):
    return crop_shifted(x, stride, lambda frequency: 0.54 + 0.46 * np.cos(2 * np.pi * frequency))


def keep_below(n, cutoff: Fraction):
    """1 for the bins of an FFT of n elements that lie strictly below the cutoff, else 0."""
    bins = [min(k, n - k) for k in range(n)]
    return np.array([1.0 if cutoff == 1 or 2 * k < n * cutoff else 0.0 for k in bins])


def filtered(x, row, column):
    return signal(spectrum(x) * row[:, None, None] * column[:, None]).real


def ideal_lowpass(x, cutoff: Fraction):
    return filtered(x, *(keep_below(n, cutoff) for n in x.shape[1:3]))


def afc_pool(x, stride):
    sizes = zip(x.shape[1:3], stride, strict=True)
    y = filtered(x, *(keep_below(n, Fraction(1, s)) for n, s in sizes))
    return y[:, :: stride[0], :: stride[1]]


def ideal_upsample(x, factor):
    """Zeros between the elements, then a filter with gain `factor` that halves the old Nyquist."""
    batch, height, width, channels = x.shape
    sparse = np.zeros((batch, height * factor[0], width * factor[1], channels))
    sparse[:, :: factor[0], :: factor[1]] = x
    gains = []
    for n, f in zip((height, width), factor, strict=True):
        bins = [min(k, n * f - k) for k in range(n * f)]
        edge = 1.0 if f == 1 else 0.5
        gains.append(
            np.array([f * (1.0 if 2 * k < n else edge if 2 * k == n else 0.0) for k in bins])
        )
    return filtered(sparse, *gains)


def polynomial_activation(x, coefficients, in_scale, out_scale, factor):
    fine = in_scale * ideal_upsample(x, (factor, factor))
    values = sum(c * fine**power for power, c in enumerate(coefficients))
    return afc_pool(out_scale * values, (factor, factor))


def ramp(n, learned, smoothness):
    """The mask of DiffStride for |bin| = 0, 1, ..., n // 2."""
    cutoff = n / (2 * max(learned, 1.0))
    return [min(max((smoothness + cutoff - k) / smoothness, 0.0), 1.0) for k in range(n // 2 + 1)]


def diffstride_pool(x, learned, size, smoothness):
    """The masked trigonometric polynomial through the map, at size[axis] even positions."""
    source, (height, width) = spectrum(x), x.shape[1:3]
    masks = [ramp(n, s, smoothness) for n, s in zip((height, width), learned, strict=True)]
    y = np.zeros((x.shape[0], *size, x.shape[-1]), complex)
    for p, q in np.ndindex(*size):
        for (k, a), (r, b) in itertools.product(folded(height), folded(width)):
            gain = a * b * masks[0][abs(k)] * masks[1][abs(r)]
            wave = np.exp(2j * np.pi * (k * p / size[0] + r * q / size[1]))
            y[:, p, q] += gain * source[:, k % height, r % width] * wave
    return y.real
