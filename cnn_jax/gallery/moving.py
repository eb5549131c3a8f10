"""An animation of an image that moves one pixel at a time, with the networks' predictions."""

import io
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from cnn_jax.evaluation import predict_logits, predictor
from cnn_jax.gallery.networks import ShownNetwork
from cnn_jax.ops.shifts import shift_images
from cnn_jax.reports.page import Picture
from cnn_jax.style import add_legend, label, plot_style, png, style_of

_FRAME_MS = 350


def sliding(
    networks: Mapping[str, ShownNetwork], image: np.ndarray, label_: int, name: str
) -> list[Picture]:
    shown = list(networks)[:2]
    reach = max(1, image.shape[1] // 7)  # the object stays in the picture
    moves = list(range(-reach, reach + 1))
    shifts = np.array([(0, move) for move in moves], np.int32)
    same = np.broadcast_to(image, (len(moves), *image.shape))
    probabilities = {
        which: np.asarray(
            jax.nn.softmax(
                predict_logits(
                    predictor(networks[which].classifier, networks[which].variables),
                    same,
                    batch_size=len(moves),
                    shifts=shifts,
                )
            )
        )[:, label_]
        for which in shown
    }
    moved = np.asarray(shift_images(jnp.asarray(same), jnp.asarray(shifts), border='zero'))
    frames = [
        _frame(moved[position], moves, probabilities, position, name)
        for position in range(len(moves))
    ]
    swings = ', '.join(
        f'{which} {np.abs(np.diff(values)).max():.2f}' for which, values in probabilities.items()
    )
    return [
        Picture(
            'sliding',
            animated(frames),
            f'An image of {name} sliding sideways; beside it, the probability of its class.',
            f'The image moves one pixel at a time, zeros following; beside it, how sure the first '
            f'two networks are of {name}. Largest change from one pixel to the next: {swings}.',
        )
    ]


@plot_style
def _frame(
    image: np.ndarray,
    moves: Sequence[int],
    probabilities: Mapping[str, np.ndarray],
    position: int,
    name: str,
) -> Figure:
    figure = Figure(figsize=(6.4, 3.1))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.7))
    left.imshow(image if image.shape[-1] == 3 else image[..., 0], cmap='gray', vmin=0, vmax=255)
    left.grid(False)
    left.set_title(f'{name}, moved by {moves[position]:+d}')
    left.set_xlabel('column (pixels)')
    left.set_ylabel('row (pixels)')
    for which, values in probabilities.items():
        style = style_of(which)
        (line,) = right.plot(
            moves, values, color=style.colour, linestyle=style.line, label=label(which), alpha=0.45
        )
        right.plot(moves[: position + 1], values[: position + 1], color=style.colour, linewidth=2.2)
        right.plot(
            moves[position], values[position], color=style.colour, marker=style.marker, markersize=8
        )
        line.set_marker(style.marker)
        line.set_markevery([])
    right.set_xlim(moves[0] - 0.5, moves[-1] + 0.5)
    right.set_ylim(-0.03, 1.03)
    right.set_xlabel('shift to the right (pixels)')
    right.set_ylabel(f'probability of {name}')
    add_legend(figure, [line for line in right.get_lines() if not line.get_label().startswith('_')])
    return figure


def animated(frames: Sequence[Figure]) -> bytes:
    """The figures as one animated PNG, which browsers play; other viewers show the first frame.

    >>> animated([Figure(figsize=(1, 1)), Figure(figsize=(1, 1))])[1:4]
    b'PNG'
    """
    pictures = [Image.open(io.BytesIO(png(frame))).convert('RGB') for frame in frames]
    first, *rest = [picture.quantize(64, dither=Image.Dither.NONE) for picture in pictures]
    buffer = io.BytesIO()
    first.save(buffer, format='PNG', save_all=True, append_images=rest, duration=_FRAME_MS, loop=0)
    return buffer.getvalue()
