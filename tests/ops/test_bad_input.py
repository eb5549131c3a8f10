"""Every op refuses bad input: one line that names the argument, raised while tracing."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax import ops

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (2, 8, 8, 3))
HALF = jnp.full((2, 4), 0.25)
CHANNELS = jnp.ones(3)
WINDOW = {'window': 2}

# A good call of every op of maps: what follows x.
GOOD: dict[str, tuple[tuple, dict]] = {
    'ada_pool': ((), WINDOW),
    'adaptive_avg_pool': ((), {'size': 3}),
    'adaptive_blur_pool': ((jnp.zeros((2, 4, 4, 9)),), {}),
    'adaptive_max_pool': ((), {'size': 3}),
    'afc_pool': ((), {}),
    'aps_index': ((), {}),
    'aps_pool': ((), {}),
    'aps_upsample': ((jnp.zeros(2, jnp.int32),), {}),
    'aps_unpool': ((jnp.zeros(2, jnp.int32),), {}),
    'asap_pool': ((), {}),
    'avg_blur_pool': ((), {}),
    'avg_pool': ((), WINDOW),
    'blur_pool': ((), {}),
    'detail_preserving_pool': ((), {}),
    'diffstride_pool': ((jnp.full(2, 2.0),), {}),
    'edge_aware_blur': ((), {}),
    'flc_pool': ((), {}),
    'fractional_max_pool': ((jnp.full((2, 3, 2), 0.5),), {'size': 4}),
    'gated_pool': ((jnp.ones(4),), WINDOW),
    'gaussian_pool': ((), WINDOW),
    'gem_pool': ((), WINDOW),
    'global_avg_pool': ((), {}),
    'global_max_pool': ((), {}),
    'haar_bands': ((), {}),
    'ideal_lowpass': ((), {'cutoff': 0.5}),
    'ideal_upsample': ((), {}),
    'learned_blur_pool': ((jnp.zeros((3, 3)),), {}),
    'lip_logits': ((jnp.ones((3, 3, 3, 3)), CHANNELS, CHANNELS), {}),
    'lip_pool': ((X,), {'padding': 'same'}),
    'lp_pool': ((), WINDOW),
    'lps_pool': ((HALF,), {}),
    'lps_unpool': ((HALF,), {}),
    'lps_upsample': ((HALF,), {}),
    'lse_pool': ((), WINDOW),
    'max_blur_pool': ((), {}),
    'max_pool': ((), WINDOW),
    'max_pool_with_places': ((), WINDOW),
    'max_unpool': ((jnp.zeros((2, 8, 8, 3), jnp.int32),), WINDOW),
    'median_pool': ((), WINDOW),
    'min_pool': ((), WINDOW),
    'mixed_pool': ((), WINDOW),
    'ordinal_pool': ((jnp.ones(4),), WINDOW),
    'polynomial_activation': ((jnp.ones((3, 3)),), {}),
    'polyphase_components': ((), {}),
    'rank_average_pool': ((), WINDOW),
    'rank_pool': ((), WINDOW),
    'soft_pool': ((), WINDOW),
    'soft_argmax': ((), {}),
    'space_to_depth': ((), {}),
    'spectral_pool': ((), {}),
    'stochastic_pool': ((), {**WINDOW, 'train': False}),
    'subsample': ((), {'stride': 2}),
    's3_pool': ((), {'train': False}),
    'sum_pool': ((), WINDOW),
    'tips_pool': ((jnp.ones((3, 3, 3)), CHANNELS), {}),
    'upsample_bilinear': ((), {}),
    'upsample_blur': ((), {}),
    'upsample_nearest': ((), {}),
    'tree_pool': ((jnp.ones((2, 4)), jnp.ones((1, 4))), WINDOW),
}

WRONG_ARRAYS = {
    'integers': jnp.ones((2, 8, 8, 3), jnp.int32),
    'booleans': jnp.ones((2, 8, 8, 3), bool),
    'rank 2': jnp.ones((8, 8)),
    'empty map': jnp.ones((2, 0, 8, 3)),
    'no channels': jnp.ones((2, 8, 8, 0)),
    'list': np.ones((2, 8, 8, 3)).tolist(),
    'none': None,
}
WRONG_VALUES: dict[str, tuple] = {
    'window': (0, -1, 2.0, '2', True, (2, 0), (2, 2, 2), 9, None),
    'stride': (0, -2, 1.5, '2', True, (2, 0), (2, 2, 2)),
    'filter_size': (0, -3, 8, 2.5, True, '3', None),
    'fill': ('mirror', 'zeros', 0),
    'p': (0, -1.0, np.float32(-1), float('nan'), float('inf'), jnp.ones(2)),
    'r': (0, -1.0, float('nan'), jnp.ones(2)),
    'alpha': (-0.1, 1.1, float('nan'), np.float32(2)),
    'beta': (-0.1, 1.1, float('nan')),
    'sigma': (0, -1.0, float('nan'), '1'),
    'eps': (0, -1e-6, float('nan')),
    'form': ('average', None),
    'norm': ('l3', None),
    'select_on': ('output', None),
    'normalise': ('channel',),
    'top': (0, -1, 1.5, 5),
    'power': (-1.0, float('nan')),
    'bias': (-1.0, float('nan')),
    'edge_threshold': (0, -1.0, float('nan')),
    'edge_dilation': (0, 2, -1, 1.5),
    'cutoff': (0, -0.5, 1.5, float('nan')),
    'factor': (0, -1, 1.5),
    'smoothness': (0, -1.0, float('nan')),
    'size': (0, -1, 1.5, (3, 3, 3)),
    'grid': (0, -4, 3, 2.0, (4, 4, 4)),
}
WRONG_VALUES_OF: dict[tuple[str, str], tuple] = {
    ('max_unpool', 'window'): (0, -1, 2.0, '2', True, (2, 0), (2, 2, 2), None),
    ('rank_pool', 'normalise'): (),
    ('lip_logits', 'bias'): (),
    ('fractional_max_pool', 'size'): (0, -1, 1.5, (3, 3, 3), 8),
    ('diffstride_pool', 'size'): (0, -1, 1.5, (3, 3, 3), 9),
}
WEIGHTS = ((), (1.0, -1.0), (0.0,), (float('nan'), 1.0), ('a',))
TAKES_WEIGHTS = ('avg_blur_pool', 'blur_pool', 'edge_aware_blur', 'max_blur_pool')
PADDINGS = ('full', 1, ((1, 1),), ((1, 1), (1, -1)), ((1, 1), (1, 1, 1)), ((1.5, 1), (1, 1)))


def refused(name: str, *arguments, **options) -> str:
    """The one-line message with which the op refuses these arguments while it is traced."""
    arrays, rest = [], list(arguments)
    for place, value in enumerate(rest):
        if isinstance(value, jax.Array):
            arrays.append((place, jax.ShapeDtypeStruct(value.shape, value.dtype)))

    def op(*traced):
        for (place, _), value in zip(arrays, traced, strict=True):
            rest[place] = value
        return getattr(ops, name)(*rest, **options)

    with pytest.raises(ValueError) as caught:
        jax.eval_shape(op, *(shape for _, shape in arrays))
    message = str(caught.value)
    assert '\n' not in message
    return message


def test_every_op_is_here():
    others = {'batch_norm', 'binomial_filter', 'binomial_logits', 'conv', 'conv_parameters'}
    others |= {
        'fourier_shift',
        'shift_images',
        'output_size',
        'lps_components',
        'lps_logits',
        'lps_weights',
        'wavelet_filter',
    }
    others |= {'bilinear_kernel', 'conv_transpose'}
    others |= {'tips_features', 'tips_mixing_loss', 'tips_undo_loss', 'tips_weights'}
    assert set(GOOD) == set(ops.__all__) - others


@pytest.mark.parametrize('name', GOOD)
def test_good_input_is_taken(name):
    arguments, options = GOOD[name]
    results = jax.tree.leaves(getattr(ops, name)(X, *arguments, **options))
    assert all(jnp.isfinite(result).all() for result in results)


@pytest.mark.parametrize('wrong', WRONG_ARRAYS)
@pytest.mark.parametrize('name', GOOD)
def test_wrong_arrays(name, wrong, unchecked):
    arguments, options = GOOD[name]
    message = refused(name, WRONG_ARRAYS[wrong], *arguments, **options)
    assert 'x must' in message or f'{name} is 2-D only: x must' in message
    assert 'got' in message


@pytest.mark.parametrize('name', GOOD)
def test_wrong_values(name, unchecked):
    arguments, options = GOOD[name]
    for argument in inspect.signature(getattr(ops, name)).parameters:
        wrong = WRONG_VALUES_OF.get((name, argument), WRONG_VALUES.get(argument, ()))
        if argument == 'window':
            same = name == 's3_pool' or options.get('padding') == 'same'
            wrong = [w for w in wrong if w != 9 or not same]
        if argument == 'filter_size' and name in TAKES_WEIGHTS:
            wrong = (*wrong, *WEIGHTS)
        if argument == 'padding':
            paddings = 'fill' in inspect.signature(getattr(ops, name)).parameters
            paddings = paddings or name in ('max_pool_with_places', 'max_unpool')
            wrong = PADDINGS if paddings else ('mirror', 'valid', None, 0)
        for value in wrong:
            message = refused(name, X, *arguments, **{**options, argument: value})
            assert argument in message, (argument, value, message)
            assert 'got' in message or str(value) in message, (argument, value, message)


@pytest.mark.parametrize(
    'name',
    [
        n
        for n in GOOD
        if 'filter_size' in inspect.signature(getattr(ops, n)).parameters and 'upsample' not in n
    ],
)
def test_circular_filters_larger_than_the_map(name, unchecked):
    if name == 'adaptive_blur_pool':
        arguments = (jnp.zeros((2, 2, 2, 25)),)
    else:
        arguments, _ = GOOD[name]
    message = refused(name, X[:, :4, :4], *arguments, filter_size=5, padding='circular')
    assert 'filter_size' in message and '5' in message and '(' in message


def test_a_stochastic_op_in_training_needs_a_key(unchecked):
    assert 'key' in refused('stochastic_pool', X, window=2, train=True)
    assert 'key' in refused('s3_pool', X, train=True)


TAKES_ARRAYS = [n for n, (arguments, _) in GOOD.items() if arguments]


@pytest.mark.parametrize('name', TAKES_ARRAYS)
def test_other_arrays_must_be_arrays_of_their_shape(name, unchecked):
    arguments, options = GOOD[name]
    names = list(inspect.signature(getattr(ops, name)).parameters)[1:]
    for place, argument in enumerate(arguments):
        for wrong in (
            None,
            [0.5],
            jnp.array(1.0),
            jnp.ones((1, 2, 3, 4, 5, 6)),
            jnp.ones((*argument.shape[1:], 99)),
        ):
            changed = [*arguments[:place], wrong, *arguments[place + 1 :]]
            message = refused(name, X, *changed, **options)
            assert names[place] in message and 'got' in message, (wrong, message)
