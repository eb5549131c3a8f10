"""Images that networks respond to most: gradient ascent on a class and on a map."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from cnn_jax.gallery.networks import ShownNetwork
from cnn_jax.inspection import deep_dream, maximise_activation, plot_images
from cnn_jax.models import Classifier
from cnn_jax.reports.page import Picture
from cnn_jax.style import label, png

_MOST_CLASSES = 10
_SMALLEST = 16  # least side, in pixels, of an image for Deep Dream


def preferred_images(
    networks: Mapping[str, ShownNetwork], class_names: Sequence[str]
) -> list[Picture]:
    pictures = []
    for which, network in networks.items():
        model, variables = network.classifier.model, network.variables
        dense = network.summary.layers[-1].name
        liked = {
            name: _seen(
                network.classifier,
                maximise_activation(
                    model,
                    variables,
                    dense,
                    number,
                    image_shape=network.summary.image_shape,
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
                f'{which}: from noise, 64 steps up the gradient of one logit each, smoothed a '
                f'little at every step; what leaves 0 to 1 is cut.',
            )
        )
    return pictures


def dreams(networks: Mapping[str, ShownNetwork], image: np.ndarray) -> list[Picture]:
    if min(image.shape[:2]) < _SMALLEST:
        return []
    shown: dict[str, np.ndarray] = {'image': image / 255}
    for which, network in networks.items():
        layers = network.summary.layers
        layer = [one.name for one in layers if len(one.output_shape) == 3][-1]
        start = network.classifier.normalise(jnp.asarray(image[None]))[0]
        dreamt = deep_dream(
            network.classifier.model,
            network.variables,
            start,
            layer,
            key=jax.random.key(0),
            octaves=2 if min(image.shape[:2]) >= 1.5 * _SMALLEST else 1,
        )
        shown[f'{which}: {layer}'] = _seen(network.classifier, dreamt)
    return [
        Picture(
            'dreams',
            png(plot_images(shown)),
            'The image after gradient ascent on the last map of each network.',
            '24 steps an octave up the mean square of the last map; what leaves 0 to 1 is cut.',
        )
    ]


def _seen(classifier: Classifier, image) -> Float[np.ndarray, 'height width channels']:
    """A normalised image, scaled back to 0 to 1."""
    return np.clip(np.asarray(image) * classifier.std + classifier.mean, 0, 1)
