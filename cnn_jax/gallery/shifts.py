"""What a shift of the image does to the layers and to the answer."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from cnn_jax.evaluation import predictor, shift_map
from cnn_jax.gallery.networks import ShownNetwork
from cnn_jax.inspection import equivariance_maps, plot_equivariance
from cnn_jax.reports.page import Picture
from cnn_jax.reports.shift_maps import ShiftPanels, plot_shift_maps
from cnn_jax.style import png

_SHIFTS = 7  # of the equivariance maps


def equivariance(networks: Mapping[str, ShownNetwork], images: np.ndarray) -> list[Picture]:
    reach = min(_SHIFTS, images.shape[1] - 1, images.shape[2] - 1)
    maps = {
        which: equivariance_maps(
            network.classifier.model,
            network.variables,
            network.classifier.normalise(jnp.asarray(images)),
            max_shift=reach,
        )
        for which, network in networks.items()
    }
    return [
        Picture(
            'equivariance',
            png(plot_equivariance(maps)),
            'For each layer, how far its output is from moving with the image, over shifts.',
            f'Shift, then layer, against layer, then shift, over shifts of 0 to {reach} pixels '
            f'with a circular border; a mean over {len(images)} test images. 0 (dark): the layer '
            f'moves with the image. Zeros padded around a map do not move along, so a convolution '
            f'is not at 0. 1: as far as a flat map is; a dense layer should not change at all. '
            f'What conv1 shows is the border alone.',
        )
    ]


def answers(
    networks: Mapping[str, ShownNetwork],
    images: np.ndarray,
    labels: Sequence[int],
    class_names: Sequence[str],
) -> list[Picture]:
    some = range(min(3, len(images)))
    maps = {
        which: np.stack(
            [
                shift_map(
                    predictor(network.classifier, network.variables),
                    images[i],
                    int(labels[i]),
                    max_shift=min(3, images.shape[1] - 1, images.shape[2] - 1),
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
        seeds={which: network.seed for which, network in networks.items()},
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
