"""The correct outputs of the programs of `cnn_jax.backend`, from float64 loops, and their digests.

`python -m tests.oracles.backend` prints them as `cnn_jax/backend_answers.py` holds them.
"""

import itertools

import numpy as np

from tests.oracles import plain

EPSILON = 1e-5


def numbers(shape, step: int) -> np.ndarray:
    """(step i mod 101 - 50) / 64 of element i."""
    flat = [(step * i % 101 - 50) / 64 for i in range(int(np.prod(shape)))]
    return np.array(flat).reshape(shape)


def digest(array: np.ndarray) -> tuple[float, float, float]:
    flat = array.ravel()
    first, second = (float((flat * numbers(flat.shape, step)).sum()) for step in (17, 71))
    return float((flat**2).sum() ** 0.5), first, second


def product_and_sum(x):
    """x times a matrix of 1.75 has 1.75 (sum of the row) everywhere; times x, summed: squared."""
    return [1.75 * x.sum(-1) ** 2]


def conv(x, kernel):
    return plain.conv(x, kernel, (1, 1), [(1, 1), (1, 1)])


def conv_gradients(x, kernel, g):
    """Each output takes kernel[u, v] of x[i + u - 1, j + v - 1]; so does its gradient."""
    dx, dk = np.zeros((len(x), x.shape[1] + 2, x.shape[2] + 2, x.shape[3])), np.zeros(kernel.shape)
    padded = plain.pad(x, [(1, 1), (1, 1)], 'zero')
    for i, j, u, v in itertools.product(*map(range, (*x.shape[1:3], *kernel.shape[:2]))):
        dx[:, i + u, j + v] += g[:, i, j] @ kernel[u, v].T
        dk[u, v] += padded[:, i + u, j + v].T @ g[:, i, j]
    return dx[:, 1:-1, 1:-1], dk


def batch_norm(x, scale, bias):
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    variance = ((x - mean) ** 2).mean(axes)
    return scale * (x - mean) / (variance + EPSILON) ** 0.5 + bias


def batch_norm_gradients(x, scale, bias, g):
    """Every derivative by a complex step: the imaginary part of f(x + 1e-30 i) / 1e-30."""

    def gradient(index, inputs):
        out = np.zeros(inputs[index].shape)
        for position in np.ndindex(out.shape):
            moved = [array.astype(complex) for array in inputs]
            moved[index][position] += 1e-30j
            out[position] = (batch_norm(moved[0], moved[1], moved[2]) * g).sum().imag / 1e-30
        return out

    return [gradient(index, (x, scale, bias)) for index in range(3)]


def max_pool(x, stride):
    return plain.reduce_windows(x, (2, 2), (stride, stride), lambda p: p.max((1, 2)))


def max_blur_pool(x):
    return plain.blur_pool(max_pool(x, 1), 3, (2, 2), 'reflect')


def max_blur_pool_gradient(x, g):
    """The blur is linear: its matrix, column by column, transposed."""
    pooled = max_pool(x, 1)
    height, width = pooled.shape[1:3]
    units = np.eye(height * width).reshape(-1, height, width, 1)
    matrix = plain.blur_pool(units, 3, (2, 2), 'reflect').reshape(height * width, -1)
    along = np.einsum('io,boc->bic', matrix, g.reshape(len(g), -1, g.shape[-1]))
    return plain.max_pool_gradient(x, along.reshape(pooled.shape), (2, 2), (1, 1))


def network(x, kernel, scale, bias, dense):
    """Convolution, batch norm, ReLU, max-blur pooling, dense layer; output and gradients."""
    convolved = conv(x, kernel)
    normed = batch_norm(convolved, scale, bias)
    active = np.maximum(normed, 0)
    pooled = max_blur_pool(active)
    flat = pooled.reshape(len(x), -1)
    y = flat @ dense
    g = numbers(y.shape, 53)
    back = max_blur_pool_gradient(active, (g @ dense.T).reshape(pooled.shape)) * (normed > 0)
    d_convolved, d_scale, d_bias = batch_norm_gradients(convolved, scale, bias, back)
    return [y, *conv_gradients(x, kernel, d_convolved), d_scale, d_bias, flat.T @ g]


def right() -> dict[str, list[np.ndarray]]:
    """Every program's outputs."""
    steps = (37, 29, 43, 61, 31)

    def inputs(*shapes):
        return [numbers(shape, step) for shape, step in zip(shapes, steps, strict=False)]

    (small,), (large,) = inputs((32, 16, 16)), inputs((128, 64, 64))
    x, kernel = inputs((4, 8, 8, 3), (3, 3, 3, 8))
    convolved = conv(x, kernel)
    wide, scale, bias = inputs((4, 6, 6, 8), (8,), (8,))
    normed = batch_norm(wide, scale, bias)
    (pooled,) = inputs((4, 8, 8, 4))
    once, blurred = max_pool(pooled, 2), max_blur_pool(pooled)
    a, b = inputs((16, 32), (32, 10))
    weights = numbers((16, 10), 53)
    return {
        'product and sum, small': product_and_sum(small),
        'product and sum, large': product_and_sum(large),
        'product and sum by einsum': product_and_sum(large),
        'convolution': [
            convolved,
            *conv_gradients(x, kernel, numbers(convolved.shape, 53)),
        ],
        'batch normalisation': [
            normed,
            *batch_norm_gradients(wide, scale, bias, numbers(normed.shape, 53)),
        ],
        'max pooling': [
            once,
            plain.max_pool_gradient(pooled, numbers(once.shape, 53), (2, 2), (2, 2)),
        ],
        'max-blur pooling': [
            blurred,
            max_blur_pool_gradient(pooled, numbers(blurred.shape, 53)),
        ],
        'dense layer': [a @ b, weights @ b.T, a.T @ weights],
        'a network': network(*inputs((4, 8, 8, 3), (3, 3, 3, 8), (8,), (8,), (128, 10))),
    }


def main() -> None:
    print('"""The right outputs of the programs of `cnn_jax.backend`, as digests; in float64.')
    print()
    print('Made by `python -m tests.oracles.backend`: do not edit.\n"""\n')
    print('from collections.abc import Mapping\n')
    print('Digest = tuple[float, float, float]  # the norm, and two weighted sums')
    print('ANSWERS: Mapping[str, tuple[Digest, ...]] = {')
    for name, arrays in right().items():
        print(f'    {name!r}: (')
        for array in arrays:
            print('        (' + ', '.join(f'{value:.9g}' for value in digest(array)) + '),')
        print('    ),')
    print('}')


if __name__ == '__main__':
    main()
