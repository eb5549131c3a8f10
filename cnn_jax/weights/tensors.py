"""Named arrays: reading and writing safetensors files, and checking that they fit a model."""

import warnings
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Shaped
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from cnn_jax.errors import BadInput
from cnn_jax.files import write_atomically

_LISTED = 10  # differences that an error names
_DTYPES = (
    *('bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'),
    *('float16', 'bfloat16', 'float32', 'float64'),
)


def write_tensors(path: str | Path, tensors: Mapping[str, Shaped[np.ndarray, '...']]) -> None:
    """Writes one safetensors file, atomically; creates its folder if needed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_tensors(Path(folder, 'a.safetensors'), {'bias': np.zeros(3, np.float16)})
    ...     read_tensors(Path(folder, 'a.safetensors'))
    {'bias': array([0., 0., 0.], dtype=float16)}
    """
    # safetensors writes raw memory: a transposed view would be scrambled.
    ordered = {name: np.asarray(tensor, order='C') for name, tensor in tensors.items()}
    for name, tensor in ordered.items():
        if not isinstance(name, str) or str(tensor.dtype) not in _DTYPES:
            raise BadInput(
                f'cannot write {name!r} to {path}: it is {tensor.dtype}, and must be an array of '
                f'{", ".join(_DTYPES)}, under a name.'
            )
    write_atomically(Path(path), save(ordered))


def read_tensors(path: str | Path) -> dict[str, Shaped[np.ndarray, '...']]:
    """The arrays of a safetensors file; raises BadInput where it is missing or damaged."""
    try:
        return load_file(path)
    except OSError as error:
        reason = 'there is no such file' if isinstance(error, FileNotFoundError) else error
        raise BadInput(f'cannot read the weights {path}: {reason}.') from None
    except (SafetensorError, AttributeError) as error:  # the latter where NumPy lacks the type
        raise BadInput(
            f'{path} is no safetensors file, or is cut short ({error}): copy it again; '
            f'a file of torch.save is to be converted with safetensors.torch.save_file first.'
        ) from None


def require_fit(
    source: str,
    model: nn.Module,
    found: Mapping[str, Shaped[np.ndarray, '...']],
    expected: Mapping[str, tuple[int, ...]],
) -> None:
    """Raises BadInput unless `found` are floats of exactly the expected names and shapes.

    The error counts the differences, and names the first ten. `source` says where they come from.
    """
    missing = [f'{name} {expected[name]} is missing' for name in expected if name not in found]
    extra = [f'{name} {found[name].shape} is not in the model' for name in found.keys() - expected]
    other = [
        f'{name} is {found[name].dtype} {found[name].shape}, the model has float32 {shape}'
        for name, shape in expected.items()
        if name in found
        and not (found[name].shape == shape and jnp.issubdtype(found[name].dtype, jnp.floating))
    ]
    differences = [d for group in zip_longest(other, missing, sorted(extra)) for d in group if d]
    if not differences:
        return
    counts = ', '.join(
        f'{len(kind)} {word}'
        for kind, word in (
            (missing, 'missing'),
            (extra, 'too many'),
            (other, 'of another shape or type'),
        )
        if kind
    )
    rest = len(differences) - _LISTED
    advice = 'build the model with the options that the weights were made with'
    if not found.keys() & expected.keys():
        advice = _advice(list(found), list(expected))
    elif not (missing or extra) and all(found[name].shape == expected[name] for name in expected):
        advice = 'convert them to float32 first'
    raise BadInput(
        f'the tensors of {source} do not fit this {type(model).__name__} of {len(expected)} '
        f'({counts}): {"; ".join(differences[:_LISTED])}'
        f'{f"; and {rest} more" if rest > 0 else ""}. Advice: {advice}.'
    )


def _advice(found: list[str], expected: list[str]) -> str:
    """What to do where no names match."""
    if not found:
        return 'there are no tensors at all'
    prefix = found[0].partition('.')[0] + '.'
    if {name.removeprefix(prefix) for name in found} >= set(expected):
        return f'take {prefix!r} off the start of every name'
    if expected[0].startswith('params/') and not any('/' in name for name in found):
        return 'such names are of PyTorch: use from_torch(model, read_tensors(path), image_shape)'
    return 'no name agrees, so they are of another architecture'


def to_float32(
    source: str, tensors: Mapping[str, Shaped[np.ndarray, '...']]
) -> dict[str, Float[Array, '...']]:
    """Copies as float32 JAX arrays; one warning says where that changed the type.

    >>> to_float32('these weights', {'bias': np.ones(2, np.float32)})
    {'bias': Array([1., 1.], dtype=float32)}
    """
    with np.errstate(over='ignore', invalid='ignore'):
        arrays = {name: jnp.array(tensor, jnp.float32) for name, tensor in tensors.items()}
    bad = [name for name, array in arrays.items() if not jnp.isfinite(array).all()]
    if bad:
        message = f'{source}: {len(bad)} tensors hold NaN or infinity as float32, as {bad[0]}.'
        warnings.warn(message, stacklevel=3)
    others = [str(tensor.dtype) for tensor in tensors.values() if tensor.dtype != np.float32]
    if others:
        kinds = ', '.join(sorted(set(others)))
        message = f'{source}: {len(others)} of {len(tensors)} tensors are {kinds}, now float32.'
        warnings.warn(message, stacklevel=3)
    return arrays
