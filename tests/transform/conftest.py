"""XLA spends most of the time of these tests on optimising programs that run once."""

import jax
import pytest


@pytest.fixture(autouse=True, scope='package')
def _compile_quickly():
    before = jax.config.read('jax_disable_most_optimizations')
    jax.config.update('jax_disable_most_optimizations', True)
    yield
    jax.config.update('jax_disable_most_optimizations', before)
