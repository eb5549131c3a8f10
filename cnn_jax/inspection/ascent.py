"""Images that maximise a unit: gradient ascent on the pixels."""

from collections.abc import Callable, Mapping
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Key

from cnn_jax.errors import require
from cnn_jax.inspection.activations import check_images, layer_output

_SMALLEST = 16  # pixels of the smallest octave's side


def maximise_activation(
    model: nn.Module,
    variables: Mapping,
    layer: str,
    channel: int,
    *,
    image_shape: tuple[int, int, int],
    key: Key[Array, ''],
    steps: int = 128,
    rate: float = 0.1,
    smoothness: float = 0.05,
    jitter: int = 2,
) -> Float[Array, 'height width channels']:
    """An image that maximises the mean of one channel of a layer; of a dense layer, one unit.

    Erhan et al. 2009, "Visualizing higher-layer features of a deep network"; jitter and total
    variation after Mordvintsev et al. 2015 and Mahendran & Vedaldi, CVPR 2015. Starts from noise
    drawn with `key`; each of `steps` moves every pixel by about `rate` along the gradient, taken on
    the image rolled by up to `jitter` pixels, and then by the fraction `smoothness` (0 to 1) toward
    the mean of its neighbours, which descends the squared total variation. The image is normalised
    like the model's inputs. The same key gives the same image. Raises BadInput with the names of
    the layers, or the number of channels, if there is no such unit.

    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> model, shape = ConvNet1(Max(), 10), (28, 28, 1)
    >>> variables = model.init(jax.random.key(0), jnp.zeros((1, *shape)), train=False)
    >>> liked = maximise_activation(
    ...     model, variables, 'dense', 3, image_shape=shape, key=jax.random.key(1), steps=4)
    >>> liked.shape
    (28, 28, 1)
    """
    start, draw = jax.random.split(key)
    image = 0.1 * jax.random.normal(start, (1, *image_shape))
    output = jax.eval_shape(lambda x: layer_output(model, variables, x, layer), image)
    require(
        0 <= channel < output.shape[-1],
        f'channel must be from 0 to {output.shape[-1] - 1} in {layer}; got {channel}.',
    )
    climb = partial(_ascend, model, layer, False, jitter, channel)
    return _steps(climb, variables, image, draw, steps, rate, smoothness)[0]


def deep_dream(
    model: nn.Module,
    variables: Mapping,
    image: Float[Array, 'height width channels'],
    layer: str,
    *,
    key: Key[Array, ''],
    octaves: int = 2,
    scale: float = 1.4,
    steps: int = 24,
    rate: float = 0.05,
    smoothness: float = 0.02,
    jitter: int = 4,
) -> Float[Array, 'height width channels']:
    """The image with the features that a layer already detects in it amplified.

    Mordvintsev, Olah & Tyka 2015, "Inceptionism: going deeper into neural networks". Ascends the
    mean square of the layer's output, first on the smallest octave of the image (each is smaller by
    `scale` than the next), then on each larger one with the detail found so far added. `layer` must
    come before any layer of a fixed size. The image is normalised like the model's inputs. Raises
    BadInput for a layer that does not exist and for an image whose smallest octave is below 16
    pixels.

    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> model, image = ConvNet1(Max(), 10), jnp.zeros((32, 32, 1)).at[:, 16:].set(1.0)
    >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
    >>> deep_dream(model, variables, image, 'conv2', key=jax.random.key(1), steps=2).shape
    (32, 32, 1)
    """
    check_images(image[None])
    require(
        octaves >= 1 and scale > 1,
        f'octaves must be at least 1 and scale above 1; got {octaves} and {scale}.',
    )
    height, width, channels = image.shape
    sizes = [(round(height / scale**n), round(width / scale**n)) for n in reversed(range(octaves))]
    require(
        min(sizes[0]) >= _SMALLEST,
        f'the smallest of {octaves} octaves would be {sizes[0][0]}x{sizes[0][1]} pixels: use '
        f'fewer, or an image whose sides are at least {_SMALLEST * scale ** (octaves - 1):.0f}.',
    )
    dreamt = base = jnp.zeros((1, *sizes[0], channels))
    climb = partial(_ascend, model, layer, True, jitter, 0)
    for number, size in enumerate(sizes):
        found = jax.image.resize(dreamt - base, (1, *size, channels), 'linear')
        base = jax.image.resize(image[None], found.shape, 'linear')
        draw = jax.random.fold_in(key, number)
        dreamt = _steps(climb, variables, base + found, draw, steps, rate, smoothness)
    return dreamt[0]


def _steps(
    climb: Callable,
    variables: Mapping,
    image: Array,
    key: Array,
    steps: int,
    rate: float,
    smoothness: float,
) -> Array:
    require(
        steps >= 1 and rate > 0 and 0 <= smoothness <= 1,
        f'steps and rate must be above 0 and smoothness from 0 to 1; got {steps}, {rate} and '
        f'{smoothness}.',
    )
    for step in range(steps):
        image = climb(variables, image, jax.random.fold_in(key, step), rate, smoothness)
    check_images(image)
    return image


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _ascend(
    model: nn.Module,
    layer: str,
    whole: bool,
    jitter: int,
    channel: Array | int,
    variables: Mapping,
    image: Array,
    key: Array,
    rate: Array | float,
    smoothness: Array | float,
) -> Array:
    """One ascent step on a channel's mean, or on the mean square of the `whole` layer.

    The channel is an argument like the image, so that all classes share one compiled program.
    """
    shift = jax.random.randint(key, (2,), -jitter, jitter + 1)

    def objective(image):
        y = layer_output(model, variables, image, layer).astype(jnp.float32)
        return (y**2).mean() if whole else jnp.take(y, channel, -1).mean()

    moved = jnp.roll(image, shift, (1, 2))
    up = jax.grad(objective)(moved)
    image = jnp.roll(moved + rate * up / (jnp.abs(up).mean() + 1e-8), -shift, (1, 2))
    padded = jnp.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), 'edge')
    across = padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    neighbours = (across + padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1]) / 4
    return image + smoothness * (neighbours - image)
