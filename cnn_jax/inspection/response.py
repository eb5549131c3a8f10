"""What a downsampling strategy does to each frequency, and which frequencies alias."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cnn_jax.errors import require
from cnn_jax.layers import Downsample
from cnn_jax.strategies import Strategy
from cnn_jax.style import add_legend, label, plot_style, style_of

_LENGTH, _PHASES = 64, 32


def filter_response(
    kernel: Float[Array | np.ndarray, 'taps'], frequencies: Float[np.ndarray, 'frequencies']
) -> Float[np.ndarray, 'frequencies']:
    """The gain |H(f)| of a one-dimensional filter at each frequency, in cycles per pixel.

    >>> filter_response(np.array([0.25, 0.5, 0.25]), np.array([0.0, 0.25, 0.5])).round(3).tolist()
    [1.0, 0.5, 0.0]
    """
    taps = np.arange(len(kernel))
    waves = np.exp(-2j * np.pi * np.outer(frequencies, taps))
    return abs(waves @ np.asarray(kernel, np.float64))


def strategy_response(
    strategy: Strategy, cycles: Sequence[int] = tuple(range(_LENGTH // 2 + 1))
) -> tuple[Float[np.ndarray, 'frequencies'], Float[np.ndarray, 'frequencies']]:
    """The gain of a strategy at each frequency: (frequencies in cycles per pixel, gains).

    For each number of `cycles` over 64 pixels, a wave 1 + cos in 32 phases goes through the
    strategy; the gain is the standard deviation (over positions and phases) of the output divided
    by that of the wave; at frequency 0, the output's mean divided by the wave's. The output of a
    wave beyond half the output's sampling rate has another frequency: it is aliased. This is exact
    for linear strategies, but only a description of nonlinear ones, whose responses to several
    waves do not add up. Parameters have their initial values.

    >>> from cnn_jax.strategies import Blur, Stride
    >>> strategy_response(Blur(padding='circular'), (0, 16, 31))[1].round(2).tolist()
    [1.0, 0.5, 0.0]
    """
    require(
        len(cycles) > 0 and all(0 <= c <= _LENGTH // 2 for c in cycles),
        f'cycles must be from 0 to {_LENGTH // 2} over {_LENGTH} pixels; got {tuple(cycles)}.',
    )
    place = np.arange(_LENGTH) / _LENGTH
    phases = 2 * np.pi * np.arange(_PHASES) / _PHASES
    waves = np.stack(
        [[1 + np.cos(2 * np.pi * c * place + phase) for phase in phases] for c in cycles]
    )
    rows = jnp.asarray(waves.reshape(-1, 1, _LENGTH, 1), jnp.float32)
    images = jnp.broadcast_to(rows, (len(rows), 8, _LENGTH, 1))  # waves along the width
    layer = Downsample(strategy)
    key = jax.random.key(0)
    y, _ = layer.init_with_output({'params': key, 'downsample': key}, images, train=False)
    out = np.asarray(y, np.float64)[:, y.shape[1] // 2, :, 0].reshape(len(cycles), -1)
    deviation = (waves - 1).reshape(len(cycles), -1).std(1)
    gains = np.where(
        np.array(cycles) == 0,
        out.mean(1) / waves.mean((1, 2)),
        out.std(1) / np.maximum(deviation, 1e-9),
    )
    return np.array(cycles) / _LENGTH, gains


@plot_style
def plot_responses(strategies: Mapping[str, Strategy]) -> Figure:
    """The gain of each strategy over frequency; everything in the shaded band is aliased.

    >>> from cnn_jax.strategies import Max, MaxBlur
    >>> figure = plot_responses({'max': Max(), 'max_blur': MaxBlur()})
    >>> figure.axes[0].get_xlabel()
    'frequency (cycles a pixel)'
    """
    figure = Figure(figsize=(7.2, 4.0))
    axes = figure.add_subplot()
    handles = []
    strides = {strategy.stride for strategy in strategies.values()}
    for name, strategy in strategies.items():
        frequencies, gains = strategy_response(strategy)
        style = style_of(name)
        drawn = axes.plot(
            frequencies,
            gains,
            color=style.colour,
            linestyle=style.line,
            marker=style.marker,
            markevery=4,
            markersize=5,
        )
        handles += [Line2D([], [], **_line(drawn[0]), label=label(name))]
    limit = 0.5 / max(strides)
    if limit < 0.5:
        axes.axvspan(limit, 0.5, color='#888888', alpha=0.18, linewidth=0)
        axes.text(
            (limit + 0.5) / 2, 1.01, 'aliased', ha='center', transform=axes.get_xaxis_transform()
        )
    axes.set_xlim(0, 0.5)
    axes.set_ylim(bottom=0)
    axes.set_xlabel('frequency (cycles a pixel)')
    axes.set_ylabel('gain (standard deviation out / in)')
    add_legend(figure, handles)
    return figure


def _line(line: Line2D) -> dict:
    return {
        'color': line.get_color(),
        'linestyle': line.get_linestyle(),
        'marker': line.get_marker(),
        'markersize': line.get_markersize(),
    }
