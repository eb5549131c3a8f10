"""The XLA flag that every process of this project sets, and why.

XLA:CPU of jaxlib 0.10.2 to 0.12.0 passes some programs to a library of fused kernels (YNN), and one
of these fusions silently returns wrong numbers:

    jax.jit(lambda x: jnp.sum((x @ jnp.full_like(x, 1.7)) * x, -1))

is off by 0.9 of the largest value for x of shape (32, 16, 16), and by 1e14 and more for
(128, 64, 64), in float32, float64 and bfloat16; without jit it is right. The flag below, in
XLA_FLAGS, switches these fusions off. XLA reads XLA_FLAGS once, before the first computation.
Importing cnn_jax sets nothing: `set_xla_flags()` does, and every experiment, benchmark and test
calls it first; `cnn_jax.check_backend()` tells whether it is needed. `experiments.check_compiler`
measures which of this project's own programs the fusions affect. Review all this at each release of
JAX.

Imports almost nothing, so that it can be imported before JAX.
"""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

from cnn_jax.errors import BadInput
from cnn_jax.platforms import jax_has_started

NAME = 'xla_cpu_experimental_ynn_fusion_type'
FLAG = f'--{NAME}='  # no fusion at all; f'--{NAME}=-reduce' excludes only the wrong one
_KNOWN = ((0, 10), (0, 12))  # the first and the last jaxlib that are known to have the flag
_PROBE = 'from jaxlib import xla_client; xla_client.make_cpu_client()'  # reads XLA_FLAGS
_SAYS = (  # XLA's messages as it ends the process over a flag
    r'Unknown flags? in XLA_FLAGS: .*',
    r"Couldn't interpret value .*",
    r'Illegal value for .*',
    r'Could not open file "[^"]*"',
    r'(?<=^F)\d{4} .*?\] (.*)',
)


def set_xla_flags() -> None:
    """Adds `FLAG` to the environment variable XLA_FLAGS, for this process and its children.

    The user's own flags are kept, and so is the value if they set this very flag. Nothing is added
    if jaxlib does not have the flag. Call it before JAX computes anything. Raises BadInput where
    JAX has started without the flag, where XLA_FLAGS names a file that cannot be read, and, instead
    of letting XLA end the process, where this jaxlib does not understand the user's flags.

    >>> set_xla_flags()  # again: the tests have called it
    >>> NAME in os.environ['XLA_FLAGS']
    True
    """
    given = os.environ.get('XLA_FLAGS', '')
    if given.strip() == FLAG:
        return
    if given.strip():
        check_xla_flags(given)
    wanted = with_flag(given)
    if wanted == given or not _has_flag():
        return
    if jax_has_started():
        raise BadInput(
            f'JAX has computed in this process without XLA_FLAGS={FLAG}: set it where the process '
            f'starts, or restart (a notebook: its kernel) and call cnn_jax.set_xla_flags() first.'
        )
    os.environ['XLA_FLAGS'] = wanted


def with_flag(given: str) -> str:
    """`given` as a value of XLA_FLAGS, with `FLAG` added unless the user set that flag.

    As in XLA, a value that does not begin with a dash is the name of a file that holds the flags.

    >>> with_flag('')
    '--xla_cpu_experimental_ynn_fusion_type='
    >>> with_flag('--xla_dump_to=here')
    '--xla_dump_to=here --xla_cpu_experimental_ynn_fusion_type='
    >>> with_flag('--xla_cpu_experimental_ynn_fusion_type=dot')
    '--xla_cpu_experimental_ynn_fusion_type=dot'
    """
    flags = given
    if given.strip() and not given.lstrip().startswith('-'):
        try:
            flags = Path(given).read_text(encoding='utf-8')
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(
                f'XLA_FLAGS names the file {given!r}, which cannot be read ({error}): correct it, '
                f'or unset XLA_FLAGS.'
            ) from None
    if re.search(rf'(^|\s)--{NAME}=', flags):
        return given
    return f'{flags.strip()} {FLAG}'.lstrip()


def check_xla_flags(given: str) -> None:
    """Raises BadInput if XLA refuses these flags, by trying them in a separate process (0.5 s)."""
    complaint = xla_complaint(given)
    if complaint is not None:
        version = importlib.metadata.version('jaxlib')
        raise BadInput(
            f'XLA_FLAGS is not understood by jaxlib {version}: {complaint}. Correct it, or unset '
            f'XLA_FLAGS.'
        )


def xla_complaint(given: str) -> str | None:
    """XLA's objection to the flags, in one line; None if it accepts them or cannot be tried."""
    try:
        done = subprocess.run(
            [sys.executable, '-P', '-c', _PROBE],
            env={**os.environ, 'XLA_FLAGS': given},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding='utf-8',
            errors='replace',
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode == 0:
        return None
    for pattern in _SAYS:
        found = re.search(pattern, done.stderr, flags=re.MULTILINE)
        if found:
            return (found[1] if found.lastindex else found[0]).strip().rstrip('.')
    return None


def _has_flag() -> bool:
    """Whether this jaxlib has the flag: known for some versions, tried for others."""
    version = re.match(r'(\d+)\.(\d+)', importlib.metadata.version('jaxlib'))
    if version and _KNOWN[0] <= (int(version[1]), int(version[2])) <= _KNOWN[1]:
        return True
    return xla_complaint(FLAG) is None
