"""The compiler's fault under the oldest supported JAX, with which tests/peers run."""

from tests.test_backend import test_right_here, test_the_fault_of_the_compiler_is_gone_with_the_flag

__all__ = ['test_right_here', 'test_the_fault_of_the_compiler_is_gone_with_the_flag']
