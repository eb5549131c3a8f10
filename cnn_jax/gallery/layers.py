"""The strategies, filters, maps and receptive fields of networks."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from cnn_jax.errors import BadInput
from cnn_jax.gallery.networks import ShownNetwork
from cnn_jax.inspection import (
    effective_receptive_field,
    layer_outputs,
    plot_filters,
    plot_heat,
    plot_maps,
    plot_receptive_field,
    plot_responses,
)
from cnn_jax.reports.page import Picture
from cnn_jax.style import label, png


def responses(networks: Mapping[str, ShownNetwork]) -> list[Picture]:
    strategies = {which: network.strategy for which, network in networks.items()}
    return [
        Picture(
            'frequencies',
            png(plot_responses(strategies)),
            'The gain of each strategy at each frequency; the aliased band is shaded.',
            'How much of a wave 1 + cos comes out. In the shaded band the output has too few '
            'samples for the wave: what comes out there stands at a wrong, lower frequency. '
            'A maximum turns the highest ones into a level before any blur can act. '
            'Learned strategies are shown as they start.',
        )
    ]


def filters(networks: Mapping[str, ShownNetwork]) -> list[Picture]:
    pictures = []
    for which, network in networks.items():
        name, kernel = first_kernel(network.variables, [one.name for one in network.summary.layers])
        pictures.append(
            Picture(
                f'filters_{which}',
                png(plot_filters(kernel, title=f'{label(which)}: {name}')),
                f'The filters of {name} in {which}.',
                f'{which}: the filters of {name}, red positive, blue negative.',
            )
        )
    return pictures


def first_kernel(variables: Mapping, layers: Sequence[str]) -> tuple[str, np.ndarray]:
    """The name and the kernel of the first of these layers that is a convolution.

    >>> kernels = {name: {'kernel': np.ones((3, 3, 1, 8))} for name in ('block', 'stem')}
    >>> first_kernel({'params': kernels}, ['norm', 'stem', 'block'])[0]
    'stem'
    """
    for layer in layers:
        weights = variables['params']
        for part in layer.split('/'):
            weights = weights.get(part, {})
        if np.ndim(weights.get('kernel')) == 4:
            return layer, np.asarray(weights['kernel'])
    raise BadInput('the network has no convolution: there are no filters to draw.')


def maps(networks: Mapping[str, ShownNetwork], image: np.ndarray, name: str) -> list[Picture]:
    pictures = []
    for which, network in networks.items():
        x = network.classifier.normalise(jnp.asarray(image[None]))
        outputs = layer_outputs(network.classifier.model, network.variables, x)
        maps = {layer: y for layer, y in outputs.items() if y.ndim == 4 and min(y.shape[1:3]) > 1}
        pools = [
            layer.name
            for layer in network.summary.layers
            if layer.kind == type(network.strategy).__name__
        ]
        layer = next((pool for pool in pools if pool in maps), list(maps)[0])
        last = list(maps)[-1]
        heat = np.asarray(maps[last][0], np.float32)
        pictures += [
            Picture(
                f'maps_{which}',
                png(plot_maps(maps[layer][0], title=f'{label(which)}: {layer}')),
                f'The maps of {layer} in {which}.',
                f'{which}: output of {layer} for {name}, one panel per channel, all on one scale.',
            ),
            Picture(
                f'heat_{which}',
                png(plot_heat(image / 255, heat.mean(-1), title=f'{label(which)}: {last}')),
                f'The mean of the maps of {last} over the image.',
                f'{which}: the mean over the channels of {last}, laid over the image.',
            ),
        ]
    return pictures


def fields(networks: Mapping[str, ShownNetwork], images: np.ndarray) -> list[Picture]:
    pictures = []
    for which, network in networks.items():
        layer = [one for one in network.summary.layers if one.field is not None][-1]
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
