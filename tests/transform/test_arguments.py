"""What goes into an anti-aliased function and comes out, beside arrays; and empty batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cnn_jax.errors import BadInput
from cnn_jax.transform import antialias, find_downsampling
from tests.transform.by_hand import blurred_conv, blurred_pool, conv, draw, pool

STEPS = (2, 2), (2, 2), 'VALID'
X = draw(1, 6, 6, 2)


def test_numpy_scalars_are_constants_as_those_of_python():
    def f(x, train, window, scale):
        stride = int(window), 2
        return pool(x, (2, 2), stride, 'VALID') * scale if train else x

    found = antialias(f)(X, np.bool_(True), np.int64(2), np.float32(2))
    np.testing.assert_array_equal(found, 2 * blurred_pool(X, *STEPS))
    (site,) = find_downsampling(f, X, np.bool_(True), np.int64(2), np.float32(2))
    assert site.stride == (2, 2)


def test_arguments_that_jax_does_not_know():
    names = np.array(['a', 'b'])
    found = antialias(lambda x, names: {names[0]: pool(x, *STEPS)})(X, names)
    np.testing.assert_array_equal(found['a'], blurred_pool(X, *STEPS))


@pytest.mark.parametrize(
    'f',
    [
        lambda x, n: pool(x, *STEPS) if n > 0 else x,
        lambda x, n: pool(x, (2, 2), (int(n), 2), 'VALID'),
        lambda x, n: pool(x, *STEPS) * [1, 2, 3][n],
        lambda x, n: pool(x, *STEPS) * np.asarray(n),
    ],
)
def test_the_value_of_an_array(f):
    with pytest.raises(BadInput, match='f needs the value of an array.*as a Python number') as e:
        antialias(f)(X, jnp.int32(2))
    assert '\n' not in str(e.value)
    with pytest.raises(BadInput, match='f needs the value of an array'):
        find_downsampling(f, X, jnp.int32(2))


def test_results_that_are_no_arrays_stay_what_they_are():
    kept = object()

    def f(x):
        many = {'logits': pool(x, *STEPS), 'name': 'net', 'none': None, 'kept': kept}
        return many, 3, 0.5, np.arange(3), np.array(['a']), jnp.ones(2)

    many, number, share, plain, words, ones = antialias(f)(X)
    np.testing.assert_array_equal(many['logits'], blurred_pool(X, *STEPS))
    assert (many['name'], many['none'], number, share) == ('net', None, 3, 0.5)
    assert many['kept'] is kept and (type(number), type(plain)) == (int, np.ndarray)
    assert words.tolist() == ['a'] and plain.tolist() == [0, 1, 2] and ones.tolist() == [1, 1]
    assert [site.kind for site in find_downsampling(f, X)] == ['max_pool']


def test_objects_in_which_arrays_hide():
    class Output:
        def __init__(self, logits):
            self.logits = logits

    with pytest.raises(BadInput, match='f returns a Output, in which JAX cannot see the arrays'):
        antialias(lambda x: Output([pool(x, *STEPS)]))(X)


def test_an_empty_batch_is_blurred_as_any_other():
    kernel = draw(3, 3, 2, 4, seed=1)

    def f(x):
        return pool(conv(x, kernel, (2, 2), 'SAME'), *STEPS)

    x = jnp.zeros((0, 9, 8, 2))
    assert antialias(f)(x).shape == f(x).shape == (0, 2, 2, 4)
    assert [change.blurred for change in antialias(f).report(x)] == [True, True]
    gradient = jax.grad(lambda k: antialias(lambda x: conv(x, k, (2, 2), 'SAME'))(x).sum())(kernel)
    assert not gradient.any()
    wanted = blurred_conv(x, kernel, (2, 2), 'SAME')
    assert wanted.shape == (0, 5, 4, 4)
    with pytest.raises(BadInput, match='it has no elements'):  # of a map, which is another matter
        antialias(lambda x: conv(x, kernel, (2, 2), 'SAME'))(jnp.zeros((1, 0, 8, 2)))


def test_a_maximum_with_a_constant_is_no_max_pool():
    start, window = jnp.float32(-jnp.inf), {'dimensions': (1, 2, 2, 1), 'strides': (1, 2, 2, 1)}

    def reduced(body):
        sizes = {f'window_{name}': value for name, value in window.items()}
        return lambda x: lax.reduce_window(x, start, body, padding='VALID', **sizes)

    for body in (lambda a, b: lax.max(a, jnp.float32(0)), lambda a, b: lax.max(a, a)):
        assert find_downsampling(reduced(body), X) == ()
    for body in (lambda a, b: lax.max(a, b), lambda a, b: lax.max(b, a)):
        (site,) = find_downsampling(reduced(body), X)
        assert site.kind == 'max_pool'


def test_negative_padding():
    def f(x, low):
        return pool(x, (2, 2), (2, 2), ((low, 0), (0, 0)))

    (site,) = find_downsampling(f, X, -1)
    assert site.problem == 'its padding is negative'
    (site,) = find_downsampling(f, X, 1)
    assert site.problem == ''
