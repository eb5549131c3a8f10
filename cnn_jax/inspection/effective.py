"""Effective receptive fields: which pixels influence a unit, and how much."""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnn_jax.inspection.activations import check_images, check_map, layer_output
from cnn_jax.inspection.table import Layer
from cnn_jax.style import label, plot_style


def effective_receptive_field(
    model: nn.Module,
    variables: Mapping,
    images: Float[Array, 'batch height width channels'],
    layer: str,
) -> Float[Array, 'height width']:
    """The mean absolute gradient of a layer's centre unit with respect to each pixel.

    Luo, Li, Urtasun & Zemel, NeurIPS 2016, "Understanding the effective receptive field in deep
    convolutional neural networks". The unit is the sum over the channels at [height // 2,
    width // 2] of the layer's output; the mean is over images and their channels. The images are
    the model's inputs, so normalised. The layers' names are those used by `summarize`, except
    those inside `flax.linen.remat` or `scan`. Raises BadInput for a layer that is not among them or
    whose output is not a map.

    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> model, images = ConvNet1(Max(), 10), jax.random.normal(jax.random.key(0), (2, 28, 28, 1))
    >>> variables = model.init(jax.random.key(0), images, train=False)
    >>> field = effective_receptive_field(model, variables, images, 'pool1')
    >>> np.flatnonzero(field.any(axis=1)).tolist()
    [12, 13, 14, 15, 16, 17]
    """
    check_images(images)
    one = partial(_gradient, model, layer, variables)  # one image at a time, to bound the memory
    total = sum(jnp.abs(one(images[i : i + 1])) for i in range(len(images)))
    return jnp.asarray(total).mean((0, -1)) / len(images)


@partial(jax.jit, static_argnums=(0, 1))
def _gradient(model: nn.Module, layer: str, variables: Mapping, image: Array) -> Array:
    """The centre unit's gradient at the image; compiled once for all weights and images."""

    def centre(image):
        y = layer_output(model, variables, image, layer)
        check_map(layer, y)
        return y[0, y.shape[1] // 2, y.shape[2] // 2].astype(jnp.float32).sum()

    return jax.grad(centre)(image)


@plot_style
def plot_receptive_field(
    values: Float[Array, 'height width'],
    layer: Layer,
    *,
    caption: str = '',
    image: Float[np.ndarray, 'height width channels'] | None = None,
) -> Figure:
    """Plots an `effective_receptive_field` with the theoretical field of the unit.

    Axes are in pixels. The grey around the image is padding; at most half an image beyond the
    border is shown of a field that reaches further. `caption` is the title's last line. An `image`,
    with values from 0 to 1, is drawn in grey under the field.

    >>> from cnn_jax.inspection import summarize
    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> layer = summarize(ConvNet1(Max(), 10), (28, 28, 1)).layers[2]
    >>> plot_receptive_field(jnp.ones((28, 28)), layer).axes[0].get_title()
    'Receptive field of unit (7, 7) of pool1\\ntheoretical 6x6 (dashed), effective in colour'
    """
    height, width = values.shape
    unit = layer.output_shape[0] // 2, layer.output_shape[1] // 2
    rows, columns = (0, height - 1), (0, width - 1)
    size = 'the whole image'
    if layer.field is not None:
        rows, columns = layer.field.of_unit(*unit)
        size = 'x'.join(map(str, layer.field.size))
    figure = Figure(figsize=(6.4, 5.4))
    axes = figure.add_subplot()
    relative = np.asarray(values) / max(float(np.max(values)), np.finfo(np.float32).tiny)
    if image is not None:
        axes.imshow(image.mean(-1), cmap='gray', vmin=0, vmax=1, interpolation='nearest')
    alpha = 1.0 if image is None else 0.65
    axes.imshow(relative, cmap='cividis', vmin=0, vmax=1, interpolation='nearest', alpha=alpha)
    scale = ScalarMappable(Normalize(0, 1), 'cividis')
    bar = figure.colorbar(scale, ax=axes, shrink=0.85, alpha=alpha)
    bar.set_label('mean |gradient| / its maximum')
    _draw_theoretical(axes, rows, columns)
    top, bottom = _shown(rows, height)
    left, right = _shown(columns, width)
    edge = 0.5 + 0.02 * max(bottom - top, right - left)
    axes.set_xlim(left - edge, right + edge)
    axes.set_ylim(bottom + edge, top - edge)
    axes.set_facecolor('#e0e0e0')
    axes.grid(False)
    axes.set_xlabel('column (pixels)')
    axes.set_ylabel('row (pixels)')
    inside = top <= rows[0] <= rows[1] <= bottom and left <= columns[0] <= columns[1] <= right
    frame = 'dashed' if inside else 'larger than shown'
    lines = (
        f'Receptive field of unit {unit} of {label(layer.name, 40)}',
        f'theoretical {size} ({frame}), effective in colour',
        caption,
    )
    axes.set_title('\n'.join(line for line in lines if line))
    return figure


def _shown(field: tuple[int, int], side: int) -> tuple[int, int]:
    """The first and the last pixel of the picture, on an axis of `side` pixels."""
    return max(min(0, field[0]), -side // 2), min(max(side - 1, field[1]), side + side // 2)


def _draw_theoretical(axes: Axes, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    """A rectangle around the pixels, visible on light and on dark."""
    corner = columns[0] - 0.5, rows[0] - 0.5
    size = columns[1] - columns[0] + 1, rows[1] - rows[0] + 1
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor='black', linewidth=2.6))
    axes.add_patch(
        Rectangle(corner, *size, fill=False, edgecolor='white', linewidth=1.4, linestyle='--')
    )
