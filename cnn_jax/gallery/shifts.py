"""What a shift of the image does to the layers and to the prediction, in pictures and in words."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from cnn_jax.evaluation import predict_logits, predictor, shift_consistency, shift_map
from cnn_jax.gallery.networks import ShownNetwork
from cnn_jax.inspection import equivariance_maps, plot_equivariance
from cnn_jax.reports.page import Picture
from cnn_jax.reports.shift_maps import ShiftPanels, plot_shift_maps
from cnn_jax.style import png

_SHIFTS = 7  # of the equivariance maps
_SHIFT = 3  # pixels each way, of the answers


def in_short(
    networks: Mapping[str, ShownNetwork], images: np.ndarray, labels: Sequence[int]
) -> str:
    """How often the networks are right, and consistent under shifts, on the gallery's images."""
    reach = min(_SHIFT, images.shape[1] - 1, images.shape[2] - 1)
    said, alike = [], {}
    for which, network in networks.items():
        predict = predictor(network.classifier, network.variables)
        logits = predict_logits(predict, images, batch_size=len(images))
        right = (logits.argmax(1) == np.asarray(labels)).mean()
        said.append(f'{which} is right on {right:.0%}')
        if reach > 0:  # images of one pixel cannot be moved
            consistent = shift_consistency(
                predict, images, key=jax.random.key(0), max_shift=reach, batch_size=len(images)
            )
            alike[which] = float(consistent.mean())
            said[-1] += f' and answers alike for {alike[which]:.0%}'
    moved = f', and of two random shifts of each by up to {reach} pixels' if reach > 0 else ''
    return (
        f'Of these {len(images)} test images{moved}: {"; ".join(said)}.{_least_moved(alike)} '
        f'What of that is luck is for the report to say.'
    )


def _least_moved(alike: Mapping[str, float]) -> str:
    """A sentence on the most consistent network, or those that tie; '' for a single network."""
    if len(alike) < 2:
        return ''
    best = [which for which, share in alike.items() if share == max(alike.values())]
    if len(best) == len(alike):
        return ' Shifts move them equally little.'
    names = f'{", ".join(best[:-1])} and {best[-1]} are' if len(best) > 1 else f'{best[0]} is'
    return f' Of these, {names} the least moved by shifts.'


def _furthest(maps: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """Which pooling layer of each network is furthest from equivariance."""
    said = []
    for which, layers in maps.items():
        pools = {
            name: float(found.ravel()[1:].mean())
            for name, found in layers.items()
            if 'pool' in name and found.size > 1
        }
        if pools:
            worst = max(pools, key=lambda name: pools[name])
            said.append(f'{worst} in {which} ({pools[worst]:.2f})')
    return f' Furthest from moving along, of the pooling layers: {", ".join(said)}.' if said else ''


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
            f'What conv1 shows is the border alone.{_furthest(maps)}',
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
                    max_shift=min(_SHIFT, images.shape[1] - 1, images.shape[2] - 1),
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
