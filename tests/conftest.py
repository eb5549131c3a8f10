"""Settings and fixtures of every test."""

import jaxtyping
import pytest


@pytest.fixture
def unchecked():
    """Turns the run-time type checks off, so that a function's own errors can be seen."""
    jaxtyping.config.update('jaxtyping_disable', True)
    yield
    jaxtyping.config.update('jaxtyping_disable', False)
