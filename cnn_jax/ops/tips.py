"""Translation invariant polyphase sampling, TIPS (Saha & Gokhale, WACV 2025)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from cnn_jax.ops.axis import merge_axis, pad_axis, split_axis
from cnn_jax.ops.floats import at_least_float32
from cnn_jax.ops.linear import bilinear
from cnn_jax.ops.phases import mix_phases, two_strides
from cnn_jax.ops.windows import require_2d, require_arrays


def tips_features(
    x: Float[Array, 'batch height width channels'],
    kernel: Float[Array, '3 3 channels'],
    *,
    stride: int | Sequence[int] = 2,
) -> Float[Array, 'batch padded_height padded_width channels']:
    """psi = relu(depthwise 3x3 convolution of x), at sizes filled up to multiples of the stride.

    >>> tips_features(jnp.ones((1, 3, 3, 1)), jnp.ones((3, 3, 1)))[0, 0, :, 0].tolist()
    [4.0, 6.0, 6.0, 4.0]
    """
    require_2d('tips_features', x)
    require_arrays(kernel=kernel)
    if kernel.shape != (3, 3, x.shape[-1]):
        raise ValueError(f'kernel must be (3, 3, {x.shape[-1]}); got {kernel.shape}')
    return jax.nn.relu(_depthwise(tips_fill_up(x, stride=stride), kernel))


def tips_weights(
    features: Float[Array, 'batch height width channels'],
    scale: Float[Array, ' channels'],
    *,
    stride: int | Sequence[int] = 2,
) -> Float[Array, 'batch phases channels']:
    """tau = softmax over the parts of the map of scale * (mean of the part), for each channel.

    The parts are s x s equal rectangles of the map, in row-major order, as many as components.

    >>> x = jnp.zeros((1, 2, 2, 1)).at[0, 0, 1].set(100)
    >>> tips_weights(x, jnp.ones(1))[0, :, 0].tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    require_2d('tips_weights', features)
    _, height, width, channels = features.shape
    s, t = two_strides(stride)
    require_arrays(scale=scale)
    if scale.shape != (channels,):
        raise ValueError(f'scale must be ({channels},); got {scale.shape}')
    if height % s or width % t:
        raise ValueError(
            f'features must have sizes that are multiples of stride {(s, t)}, as tips_features '
            f'gives them; got {(height, width)}'
        )
    parts = split_axis(split_axis(at_least_float32(features), 2, width // t), 1, height // s).mean(
        (2, 4)
    )
    scores = merge_axis(parts, 1) * scale.astype(parts.dtype)
    return jax.nn.softmax(scores, axis=1).astype(features.dtype)


def tips_pool(
    x: Float[Array, 'batch height width channels'],
    kernel: Float[Array, '3 3 channels'],
    scale: Float[Array, ' channels'],
    *,
    stride: int | Sequence[int] = 2,
) -> Float[Array, 'batch out_height out_width channels']:
    """Translation invariant polyphase sampling (Saha & Gokhale, WACV 2025): y = sum_i tau_i x_i.

    x_i are the components, tau the `tips_weights` of the `tips_features` of x: soft in training and
    at test time, one mixture for each channel. n becomes ceil(n / stride); a size that is not a
    multiple of the stride is first padded at its low end by reflection. Part i weights component i,
    both in row-major order; the authors' code pairs row-major parts with column-major components.
    The weights come from parts of the map, not from components, so despite its name this is not
    exactly invariant to any shift. Neither convolution has a bias, as in the authors' code.

    >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    >>> tips_pool(x, jnp.zeros((3, 3, 1)), jnp.ones(1))[0, :, :, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    weights = tips_weights(tips_features(x, kernel, stride=stride), scale, stride=stride)
    weights = split_axis(weights, 1, two_strides(stride)[1])
    return mix_phases(tips_fill_up(x, stride=stride), weights)


def tips_mixing_loss(weights: Float[Array, 'batch phases channels']) -> Float[Array, '']:
    """mean(1 - |tau|_2) over batch and channels: 0 where one component takes all.

    Stands for the paper's L_FM. The formula is that of the authors' code, and penalises nearly
    uniform mixtures; the paper's formula was not available for comparison.

    >>> float(tips_mixing_loss(jnp.full((1, 4, 1), 0.25)))
    0.5
    """
    return (1 - jnp.sqrt(jnp.square(at_least_float32(weights)).sum(1))).mean()


def tips_undo_loss(
    features: Float[Array, 'batch height width channels'],
    x: Float[Array, 'batch height width channels'],
    key: PRNGKeyArray,
) -> Float[Array, '']:
    """mean((psi - x rolled)^2), one random circular roll for the batch; x gets no gradient.

    Stands for the paper's L_undo, after the authors' code; the paper's formula was not available
    for comparison. The roll is uniform over -(n // 4) ... n // 4 of the map on each axis; in their
    code it is over a quarter of the network's input, and the call there that should stop the
    gradient does not.

    >>> ones = jnp.ones((1, 4, 4, 1))
    >>> float(tips_undo_loss(ones, 3 * ones, jax.random.key(0)))
    4.0
    """
    if features.shape != x.shape:
        raise ValueError(
            f'features and x must have one shape (see tips_fill_up); '
            f'got {features.shape} and {x.shape}'
        )
    reach = jnp.array([n // 4 for n in x.shape[1:-1]])
    rows, columns = jax.random.randint(key, (2,), -reach, reach + 1)
    moved = jnp.roll(jnp.roll(lax.stop_gradient(x), rows, 1), columns, 2)
    return jnp.square(at_least_float32(features) - at_least_float32(moved)).mean()


def tips_fill_up(
    x: Float[Array, 'batch height width channels'], *, stride: int | Sequence[int] = 2
) -> Float[Array, 'batch padded_height padded_width channels']:
    """`x` padded at its low end, by reflection, to multiples of the stride.

    >>> tips_fill_up(jnp.arange(3.0).reshape(1, 1, 3, 1))[0, :, :, 0].tolist()
    [[1.0, 0.0, 1.0, 2.0], [1.0, 0.0, 1.0, 2.0]]
    """
    require_2d('tips_fill_up', x)
    for axis, s in zip((1, 2), two_strides(stride), strict=True):
        x = pad_axis(x, axis, -x.shape[axis] % s, 0, 'reflect')
    return x


def _correlated(x: Array, kernel: Array) -> Array:
    """Each channel correlated with its own 3x3 kernel, with zero padding.

    Nine shifted products. The adjoint is the same with the kernel rotated by 180 degrees. The nine
    sums for the kernel's gradient are computed one after the other: XLA:CPU would otherwise fuse
    them into one loop that takes ten times as long. Forward and backward, XLA:CPU's grouped
    convolution takes more than ten times as long as this.
    """
    height, width = x.shape[1:-1]
    padded = _bordered(x)
    y = 0.0
    for i in range(3):
        for j in range(3):
            y = y + padded[:, i : i + height, j : j + width] * kernel[i, j].astype(padded.dtype)
    return jnp.asarray(y).astype(x.dtype)


def _bordered(x: Array) -> Array:
    return jnp.pad(at_least_float32(x), ((0, 0), (1, 1), (1, 1), (0, 0)))


def _transpose(x: Array, kernel: Array, g: Array) -> list[Array]:
    height, width = x.shape[1:-1]
    padded, g_wide = _bordered(x), at_least_float32(g)
    sums = []
    for i in range(3):
        for j in range(3):
            part = (padded[:, i : i + height, j : j + width] * g_wide).sum(1)
            part, padded, g_wide = lax.optimization_barrier((part, padded, g_wide))
            sums.append(part.sum((0, 1)))
    dkernel = jnp.stack(sums).reshape(kernel.shape).astype(kernel.dtype)
    return [_correlated(g, kernel[::-1, ::-1]), dkernel]


_depthwise = bilinear(_correlated, _transpose)
