"""Pictures of what the networks of a run do inside, as one page."""

import io
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure
from PIL import Image

from cnn_jax.data.augment import shift_images
from cnn_jax.evaluation import predict_logits, shift_map
from cnn_jax.gallery.networks import Network
from cnn_jax.inspection import (
    deep_dream,
    effective_receptive_field,
    equivariance_maps,
    layer_outputs,
    maximise_activation,
    plot_equivariance,
    plot_filters,
    plot_heat,
    plot_images,
    plot_maps,
    plot_receptive_field,
    plot_responses,
    summarize,
)
from cnn_jax.models import Classifier
from cnn_jax.reports.page import Page, Paragraph, Picture, Section
from cnn_jax.reports.shift_maps import ShiftPanels, plot_shift_maps
from cnn_jax.style import add_legend, label, look, plot_style, png

_SHIFTS = 7  # of the equivariance maps
_MOST_CLASSES = 10
_FRAME_MS = 350


def gallery_page(
    title: str,
    networks: Mapping[str, Network],
    images: UInt8[np.ndarray, 'images height width channels'],
    labels: Sequence[int],
    class_names: Sequence[str],
    *,
    note: str,
    progress: Callable[[str], None] = lambda section: None,
) -> Page:
    """The page; `note` says where the weights come from.

    The first image is the one that is looked at; all are averaged over in the equivariance maps.
    `progress` is told the name of each section before it is drawn.
    """
    one, name = images[0], class_names[labels[0]]
    shape = one.shape[0], one.shape[1], one.shape[2]
    sections = {
        'One pixel at a time': lambda: _sliding(networks, one, labels[0], name),
        'What a shift does to each layer': lambda: _equivariance(networks, images),
        'What a shift does to the answer': lambda: _answers(networks, images, labels, class_names),
        'What each strategy does to a frequency': lambda: _responses(networks),
        'Filters of the first layer': lambda: _filters(networks),
        'What the layers put out': lambda: _maps(networks, one, name),
        'What one unit sees': lambda: _fields(networks, images),
        'Images that each class likes': lambda: _liked(networks, shape, class_names),
        'The image, with more of what the network sees in it': lambda: _dreams(networks, one),
    }
    drawn = []
    for heading, draw in sections.items():
        progress(heading)
        drawn.append(Section(heading, tuple(draw())))
    lead = (Paragraph(note),)
    return Page(title, lead, tuple(drawn))


def _sliding(
    networks: Mapping[str, Network], image: np.ndarray, label_: int, name: str
) -> list[Picture | Paragraph]:
    shown = list(networks)[:2]
    reach = image.shape[1] // 4
    moves = list(range(-reach, reach + 1))
    shifts = np.array([(0, move) for move in moves], np.int32)
    same = np.broadcast_to(image, (len(moves), *image.shape))
    probabilities = {
        which: np.asarray(
            jax.nn.softmax(
                predict_logits(
                    networks[which].classifier,
                    networks[which].variables,
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
        f'{which} {np.abs(np.diff(values)).mean():.3f}' for which, values in probabilities.items()
    )
    return [
        Picture(
            'sliding',
            animated(frames),
            f'An image of {name} sliding sideways; below, the probability of its class.',
            f'The image moves one pixel at a time, zeros following; below, how sure each network '
            f'is of {name}. Mean change from one pixel to the next: {swings}.',
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
    for index, (which, values) in enumerate(probabilities.items()):
        style = look(index)
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
    """The figures as one animated PNG, which browsers play and everything else shows the first of.

    >>> animated([Figure(figsize=(1, 1)), Figure(figsize=(1, 1))])[1:4]
    b'PNG'
    """
    pictures = [Image.open(io.BytesIO(png(frame))).convert('RGB') for frame in frames]
    first, *rest = [picture.quantize(64, dither=Image.Dither.NONE) for picture in pictures]
    buffer = io.BytesIO()
    first.save(buffer, format='PNG', save_all=True, append_images=rest, duration=_FRAME_MS, loop=0)
    return buffer.getvalue()


def _equivariance(networks: Mapping[str, Network], images: np.ndarray) -> list[Picture | Paragraph]:
    maps = {
        which: equivariance_maps(
            network.classifier.model,
            network.variables,
            network.classifier.normalise(jnp.asarray(images)),
            max_shift=_SHIFTS,
        )
        for which, network in networks.items()
    }
    return [
        Picture(
            'equivariance',
            png(plot_equivariance(maps)),
            'For each layer, how far its output is from moving with the image, over shifts.',
            f'Shift, then layer, against layer, then shift, over shifts of 0 to {_SHIFTS} pixels '
            f'with a circular border; a mean over {len(images)} test images. 0 (dark): the layer '
            f'moves with the image. Zeros padded around a map do not move along, so a convolution '
            f'is not at 0. A dense layer should not change at all.',
        )
    ]


def _answers(
    networks: Mapping[str, Network],
    images: np.ndarray,
    labels: Sequence[int],
    class_names: Sequence[str],
) -> list[Picture | Paragraph]:
    some = range(min(3, len(images)))
    maps = {
        which: np.stack(
            [
                shift_map(
                    network.classifier,
                    network.variables,
                    images[i],
                    int(labels[i]),
                    max_shift=3,
                    border='zero',
                )
                for i in some
            ]
        )
        for which, network in networks.items()
    }
    panels = ShiftPanels(
        images=images[: len(some)],
        names=tuple(class_names[labels[i]] for i in some),
        maps=maps,
        seeds=dict.fromkeys(maps, 0),
    )
    return [
        Picture(
            'answers',
            png(plot_shift_maps(panels)),
            'The probability of the true class for each shift of the image.',
            'The probability of the true class as the image moves by up to three pixels each way, '
            'zeros following.',
        )
    ]


def _responses(networks: Mapping[str, Network]) -> list[Picture | Paragraph]:
    strategies = {which: network.strategy for which, network in networks.items()}
    return [
        Picture(
            'frequencies',
            png(plot_responses(strategies)),
            'The gain of each strategy at each frequency; the aliased band is shaded.',
            'How much of a wave 1 + cos comes out. In the shaded band the output has too few '
            'samples for the wave: what comes out there stands at a wrong, lower frequency. '
            'Learned strategies are shown as they start.',
        )
    ]


def _filters(networks: Mapping[str, Network]) -> list[Picture | Paragraph]:
    pictures = []
    for which, network in networks.items():
        name, kernel = first_kernel(network.variables)
        pictures.append(
            Picture(
                f'filters_{which}',
                png(plot_filters(kernel, title=f'{label(which)}: {name}')),
                f'The filters of {name} in {which}.',
                f'{which}: the filters of {name}, red positive, blue negative.',
            )
        )
    return pictures


def first_kernel(variables: Mapping) -> tuple[str, np.ndarray]:
    """The name and the kernel of the first convolution.

    >>> first_kernel({'params': {'conv1': {'kernel': np.ones((3, 3, 1, 8))}}})[0]
    'conv1'
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables['params']):
        keys = [key.key for key in path if isinstance(key, jax.tree_util.DictKey)]
        if keys[-1] == 'kernel' and leaf.ndim == 4:
            return '/'.join(map(str, keys[:-1])), np.asarray(leaf)
    raise ValueError('no convolution')


def _maps(
    networks: Mapping[str, Network], image: np.ndarray, name: str
) -> list[Picture | Paragraph]:
    pictures = []
    for which, network in networks.items():
        x = network.classifier.normalise(jnp.asarray(image[None]))
        outputs = layer_outputs(network.classifier.model, network.variables, x)
        maps = {layer: y for layer, y in outputs.items() if y.ndim == 4 and min(y.shape[1:3]) > 1}
        pools = [layer for layer in maps if 'pool' in layer or 'downsample' in layer]
        layer = (pools or list(maps))[0]
        last = list(maps)[-1]
        heat = np.asarray(maps[last][0], np.float32)
        pictures += [
            Picture(
                f'maps_{which}',
                png(plot_maps(maps[layer][0], title=f'{label(which)}: {layer}')),
                f'The maps of {layer} in {which}.',
                f'{which}: what {layer} puts out for {name}, one panel a channel.',
            ),
            Picture(
                f'heat_{which}',
                png(plot_heat(image / 255, heat.mean(-1), title=f'{label(which)}: {last}')),
                f'The mean of the maps of {last} over the image.',
                f'{which}: the mean over the channels of {last}, laid over the image.',
            ),
        ]
    return pictures


def _fields(networks: Mapping[str, Network], images: np.ndarray) -> list[Picture | Paragraph]:
    pictures, shape = [], (images.shape[1], images.shape[2], images.shape[3])
    for which, network in networks.items():
        layers = summarize(network.classifier.model, shape).layers
        layer = [one for one in layers if one.field is not None][-1]
        x = network.classifier.normalise(jnp.asarray(images[:16]))
        values = effective_receptive_field(
            network.classifier.model, network.variables, x, layer.name
        )
        caption = f'mean of {len(x)} test images'
        pictures.append(
            Picture(
                f'field_{which}',
                png(plot_receptive_field(values, layer, caption=caption, image=images[0] / 255)),
                f'The receptive field of a unit of {layer.name} in {which}.',
                f'{which}: the pixels that the middle unit of {layer.name} depends on.',
            )
        )
    return pictures


def _liked(
    networks: Mapping[str, Network], shape: tuple[int, int, int], class_names: Sequence[str]
) -> list[Picture | Paragraph]:
    pictures = []
    for which, network in networks.items():
        model, variables = network.classifier.model, network.variables
        dense = summarize(model, shape).layers[-1].name
        liked = {
            name: _seen(
                network.classifier,
                maximise_activation(
                    model,
                    variables,
                    dense,
                    number,
                    image_shape=shape,
                    key=jax.random.key(number),
                    steps=64,
                ),
            )
            for number, name in enumerate(class_names[:_MOST_CLASSES])
        }
        pictures.append(
            Picture(
                f'liked_{which}',
                png(plot_images(liked, title=label(which))),
                f'Images that the classes of {which} like.',
                f'{which}: from noise, 64 steps up the gradient of one logit each.',
            )
        )
    return pictures


def _dreams(networks: Mapping[str, Network], image: np.ndarray) -> list[Picture | Paragraph]:
    shown: dict[str, np.ndarray] = {'image': image / 255}
    shape = image.shape[0], image.shape[1], image.shape[2]
    for which, network in networks.items():
        layers = summarize(network.classifier.model, shape).layers
        layer = [one.name for one in layers if len(one.output_shape) == 3][-1]
        start = network.classifier.normalise(jnp.asarray(image[None]))[0]
        dreamt = deep_dream(
            network.classifier.model,
            network.variables,
            start,
            layer,
            key=jax.random.key(0),
            octaves=2,
        )
        shown[f'{which}: {layer}'] = _seen(network.classifier, dreamt)
    return [
        Picture(
            'dreams',
            png(plot_images(shown)),
            'The image after gradient ascent on the last map of each network.',
            'Two octaves of 24 steps up the mean square of the last map.',
        )
    ]


def _seen(classifier: Classifier, image) -> Float[np.ndarray, 'height width channels']:
    """A normalised image on the scale 0 to 1."""
    return np.clip(np.asarray(image) * classifier.std + classifier.mean, 0, 1)
