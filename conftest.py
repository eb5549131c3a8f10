"""What holds for every test, those in docstrings too: XLA's flags, before anything imports JAX."""

from cnn_jax.xla_flags import set_xla_flags

set_xla_flags()
