"""Made-up weights with the right shapes."""

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from cnn_jax.models import build_model, variable_shapes
from cnn_jax.models.network import Network
from cnn_jax.strategies import Max, Strategy

IMAGE = (64, 64, 3)


def network(name: str, downsample: Strategy | None = None, **options) -> Network:
    """A registered model with three classes; of `Max()` where no strategy is given."""
    return build_model(name, downsample=downsample or Max(), num_classes=3, **options)


def variables(model: Network, image_shape: tuple[int, int, int] = IMAGE) -> dict:
    """Every leaf different from every other, and from itself transposed."""
    rng, shapes = np.random.default_rng(0), variable_shapes(model, image_shape)
    leaves = flatten_dict({'batch_stats': {}} | shapes, keep_empty_nodes=True)
    return unflatten_dict(
        {
            path: rng.standard_normal(leaf.shape, np.float32) if hasattr(leaf, 'shape') else leaf
            for path, leaf in leaves.items()
        }
    )
