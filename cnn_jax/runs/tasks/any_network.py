"""The measures that any network has, whatever its task."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from cnn_jax.evaluation import energy_above_nyquist, images_per_second
from cnn_jax.inspection.equivariance import equivariance_maps
from cnn_jax.inspection.sites import downsampling_inputs
from cnn_jax.runs.tasks.judged import Found, Judged, spread

_LOOKED_INTO = 32  # images whose maps are examined: these measures vary little between images


def _inference(judged: Judged) -> Found:
    speed = images_per_second(
        judged.predict, judged.test.images, batch_size=judged.evaluation.batch_size
    )
    return {'inference_per_second': speed}


def _normalised(judged: Judged) -> jax.Array:
    images = spread(judged.test, _LOOKED_INTO).images
    return judged.classifier.normalise(jnp.asarray(images))


def _aliasing(judged: Judged) -> Found:
    sites = downsampling_inputs(judged.classifier.model, judged.variables, _normalised(judged))
    by_site = {
        name: energy_above_nyquist(np.asarray(x), stride=stride)
        for name, (x, stride) in sites.items()
    }
    mean = float(np.mean(list(by_site.values()))) if by_site else None
    return {'aliasing': mean, 'aliasing_by_layer': by_site}


def _equivariance(judged: Judged) -> Found:
    maps = equivariance_maps(
        judged.classifier.model, judged.variables, _normalised(judged), max_shift=1
    )
    moved = {name: float(found.ravel()[1:].mean()) for name, found in maps.items()}
    pools = [error for name, error in moved.items() if 'pool' in name] or list(moved.values())
    return {'equivariance_error': float(np.mean(pools)), 'equivariance_by_layer': moved}


OF_ANY_NETWORK: Mapping[str, Callable[[Judged], Found]] = {
    'aliasing': _aliasing,
    'equivariance': _equivariance,
    'inference': _inference,
}
