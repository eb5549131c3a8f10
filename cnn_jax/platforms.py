"""Whether JAX has started, and its message if the requested device does not exist.

Imports almost nothing, so that it can be imported before JAX.
"""

import os
import re
import sys


def jax_has_started() -> bool:
    """Whether JAX has initialised its devices; after that, XLA_FLAGS is not read again."""
    bridge = sys.modules.get('jax._src.xla_bridge')  # JAX has no public way to ask
    return bridge is not None and bridge.backends_are_initialized()


def no_device(error: Exception) -> str | None:
    """The message for the user if `error` means that JAX found no device; None if it does not.

    JAX raises RuntimeError, or, for `JAX_PLATFORMS=cuda` without JAX's CUDA plugin, an
    AssertionError without a message.

    >>> print(no_device(RuntimeError("Unable to initialize backend 'tpu': no libtpu.so")))
    JAX finds no device ... Unable to initialize backend 'tpu': no libtpu.so. Choose another...
    >>> no_device(RuntimeError('something else')) is None
    True
    """
    wanted = os.environ.get('JAX_PLATFORMS')
    if isinstance(error, RuntimeError) and 'nable to initialize backend' in str(error):
        reason = re.sub(r'\s+', ' ', re.sub(r'\(set JAX_PLATFORMS=.*?\)', '', str(error)))
    elif isinstance(error, AssertionError) and not error.args and wanted and not _has_devices():
        reason = 'there is none of that kind, or its plugin is not installed'
    else:
        return None
    given = f'JAX_PLATFORMS={wanted}' if wanted else 'JAX_PLATFORMS is not set'
    return (
        f'JAX finds no device ({given}): {reason.strip().rstrip(".")}. '
        f'Choose another platform, such as JAX_PLATFORMS=cpu, or install what this one needs.'
    )


def _has_devices() -> bool:
    import jax

    try:
        return len(jax.devices()) > 0
    except (RuntimeError, AssertionError):
        return False
