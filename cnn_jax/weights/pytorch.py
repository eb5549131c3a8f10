"""Variables from PyTorch's state dicts, and state dicts from variables."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Shaped

from cnn_jax.errors import require
from cnn_jax.models import variable_shapes
from cnn_jax.models.network import Network
from cnn_jax.ops.blur import LARGEST_FILTER, binomial_filter
from cnn_jax.strategies import MaxBlur
from cnn_jax.weights.names import Names, Naming, torch_names
from cnn_jax.weights.saved import flat, nested
from cnn_jax.weights.slots import features, slots
from cnn_jax.weights.tensors import require_fit, to_float32

_FILTER, _COUNTER = '.filt', '.num_batches_tracked'


def from_torch(
    model: Network,
    tensors: Mapping[str, Shaped[np.ndarray, '...']],
    image_shape: tuple[int, int, int],
) -> dict:
    """The variables of `model`, float32 'params' and 'batch_stats', from a PyTorch state dict.

    `tensors` has the names of torchvision, or those of antialiased-cnns 0.3 if a name ends in
    '.filt'; LeNet-5's are conv1, conv2, fc1, fc2, fc3. `image_shape` is (height, width, channels).
    'num_batches_tracked' and GoogLeNet's auxiliary heads ('aux1.', 'aux2.') are ignored.

    The filters of antialiased-cnns must be those of the model's strategy: `MaxBlur(filter_size=k)`,
    with window=2 for a ResNet and, if the first convolution is blurred too (AlexNet, by default),
    `downsample_first`. The variables then fit the same model with another strategy as well.

    The images must be normalised as the weights expect: `expected_normalisation` of the model's
    name says how for pretrained ones. GoogLeNet's differs from all others'.

    Raises BadInput, naming up to ten differences, unless the state dict holds exactly the model's
    tensors, and for models that have no names in PyTorch. float16, bfloat16 and float64 become
    float32, with one warning.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.models import build_model
    >>> from cnn_jax.strategies import Max
    >>> model = build_model('lenet5', downsample=Max(), num_classes=10)
    >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
    >>> tensors = to_torch(model, variables, (28, 28, 1))
    >>> tensors['conv2.weight'].shape  # (out, in, height, width)
    (16, 6, 5, 5)
    >>> from_torch(model, tensors, (28, 28, 1))['params']['conv2']['kernel'].shape
    (5, 5, 6, 16)
    """
    require(
        isinstance(tensors, Mapping) and all(isinstance(name, str) for name in tensors),
        f'tensors must be a dict of names and arrays, as read_tensors reads; got {type(tensors)}.',
    )
    for name, tensor in tensors.items():
        require(
            not isinstance(tensor, Mapping), f'the state dict lies deeper: give tensors[{name!r}].'
        )
    require(
        all(isinstance(tensor, np.ndarray) for tensor in tensors.values()),
        'tensors must be NumPy arrays: give tensor.numpy() of each, or what read_tensors reads.',
    )
    shapes = flat(variable_shapes(model, image_shape))
    blurred = any(name.endswith(_FILTER) for name in tensors)
    names = torch_names(model, 'antialiased_cnns' if blurred else 'torchvision')
    tensors = {
        _current(name, names): tensor
        for name, tensor in tensors.items()
        if not name.endswith(_COUNTER) and not name.startswith(names.ignored)
    }
    ours = slots(type(model).__name__, shapes, names)
    filters = _filters(names, shapes, _filter_size(tensors))
    source = 'the state dict'
    expected = {slot.name: slot.torch_shape for slot in ours}
    expected |= {name: taps.shape for name, taps in filters.items()}
    require_fit(source, model, tensors, expected)
    if blurred:
        _require_strategy(model, names, _filter_size(tensors))
    for name, taps in filters.items():
        require(
            np.allclose(tensors[name], taps, atol=1e-6),
            f'{source}: {name} is not the binomial filter of size {taps.shape[-1]}, the only one '
            f'of antialiased-cnns: load it into a network in PyTorch to see what it is.',
        )
    return nested(to_float32(source, {s.path: s.to_ours(tensors[s.name]) for s in ours}))


def to_torch(
    model: Network,
    variables: Mapping,
    image_shape: tuple[int, int, int],
    *,
    naming: Naming = 'torchvision',
) -> dict[str, Shaped[np.ndarray, '...']]:
    """The inverse of `from_torch`: a state dict of float32 NumPy arrays in C order.

    Each batch norm gets a 'num_batches_tracked' of 0. With naming='antialiased_cnns' it holds the
    filters, and the strategy must be as `from_torch` says. Raises BadInput where the variables are
    not the model's, and for models that have no names in PyTorch.
    """
    shapes = flat(variable_shapes(model, image_shape))
    names = torch_names(model, naming)
    leaves = {name: np.asarray(leaf) for name, leaf in flat(variables).items()}
    expected = {name: leaf.shape for name, leaf in shapes.items()}
    require_fit('the variables', model, leaves, expected)
    tensors = {}
    for slot in slots(type(model).__name__, shapes, names):
        tensors[slot.name] = np.array(slot.to_torch(leaves[slot.path]), np.float32, order='C')
        if slot.path.endswith('/mean'):
            tensors[f'{slot.name.rpartition(".")[0]}{_COUNTER}'] = np.zeros((), np.int64)
    if naming == 'torchvision':
        return tensors
    size = model.downsample.filter_size if isinstance(model.downsample, MaxBlur) else 3
    _require_strategy(model, names, size)
    return tensors | _filters(names, shapes, size)


def _current(name: str, names: Names) -> str:
    """`name` with the spellings of older files replaced by current ones."""
    for old, new in names.spellings.items():
        name = name.replace(old, new)
    return name


def _filter_size(tensors: Mapping[str, Shaped[np.ndarray, '...']]) -> int:
    """The side of the first filter among the tensors, clipped to 1 ... the largest filter size."""
    filters = (tensor for name, tensor in tensors.items() if name.endswith(_FILTER))
    side = next((tensor.shape[-1] for tensor in filters if tensor.ndim == 4), 1)
    return min(max(side, 1), LARGEST_FILTER)


def _filters(names: Names, shapes: Mapping, filter_size: int) -> dict[str, np.ndarray]:
    """The filters that antialiased-cnns holds, (channels, 1, size, size)."""
    row = np.asarray(binomial_filter(filter_size), np.float32)
    taps = np.outer(row, row)[None, None]
    return {
        f'{blur}{_FILTER}': np.tile(taps, (features(shapes, conv), 1, 1, 1))
        for blur, conv in names.blurs.items()
    }


def _require_strategy(model: Network, names: Names, filter_size: int) -> None:
    """Raises BadInput unless the model downsamples as antialiased-cnns does with that filter."""
    allowed = [MaxBlur(window, filter_size) for window in names.windows]
    require(
        model.downsample in allowed,
        f'the filters are those of downsample={allowed[0]}; this {type(model).__name__} has '
        f'{model.downsample}: build it with the former; its variables fit every other one too.',
    )
