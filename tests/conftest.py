"""Settings and fixtures for all tests."""

import jax
import jaxtyping
import pytest

jax.config.update('jax_num_cpu_devices', 2)  # for the tests of meshes; all else runs on the first


@pytest.fixture
def unchecked():
    """Turns the run-time type checks off, so that a function's own errors can be seen."""
    jaxtyping.config.update('jaxtyping_disable', True)
    yield
    jaxtyping.config.update('jaxtyping_disable', False)
