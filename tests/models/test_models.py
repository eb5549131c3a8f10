"""convnet1, the model registry and the classifier that wraps a model."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.models import Classifier, ConvNet1, build_model, count_parameters, variable_shapes
from cnn_jax.strategies import Max, Stride, strategy_named, strategy_names

MEANS = ('mean_mixing', 'mean_undo')


@pytest.mark.parametrize('name', strategy_names())
def test_every_strategy_fits_convnet1_and_its_gradient(name):
    model = build_model('convnet1', downsample=strategy_named(name), num_classes=10)
    classifier = Classifier(model, mean=(0.5,), std=(0.5,))
    images, key = jnp.zeros((2, 28, 28, 1), jnp.uint8), jax.random.key(0)

    def loss(params, rest):
        logits, _, added = classifier.train_logits({'params': params, **rest}, images, key)
        assert logits.shape == (2, 10)
        return logits.sum() + added

    variables = jax.eval_shape(lambda: classifier.init(key, (28, 28, 1)))
    rest = {k: v for k, v in variables.items() if k != 'params'}
    gradient = jax.eval_shape(jax.grad(loss), variables['params'], rest)
    chex.assert_trees_all_equal_shapes_and_dtypes(gradient, variables['params'])
    outside = {k: v for k, v in gradient.items() if not k.startswith('pool')}
    if name not in ('space_to_depth', 'max_avg', 'none'):  # which leave more to what comes after
        assert count_parameters({'params': outside}) == 29_034


@pytest.mark.parametrize('strategy', [Max(), Stride()])
def test_feature_maps_have_the_published_sizes(strategy):
    model = ConvNet1(strategy, 10)
    images = jnp.zeros((1, 28, 28, 1))
    variables = model.init(jax.random.key(0), images, train=False)
    _, kept = model.apply(variables, images, train=False, capture_intermediates=True)
    maps = {k: v['__call__'][0].shape for k, v in kept['intermediates'].items() if k != '__call__'}
    assert maps['pool1'] == (1, 14, 14, 16) and maps['pool2'] == (1, 7, 7, 32)
    assert maps['conv1'] == ((1, 28, 28, 16) if strategy == Max() else (1, 14, 14, 16))
    assert maps['dense'] == (1, 10)


def test_check_model_names_the_layer_before_compiling():
    with pytest.raises(BadInput, match='pool2'):
        variable_shapes(ConvNet1(Max(window=20), 10), (28, 28, 1))


def test_unknown_model():
    with pytest.raises(BadInput, match="did you mean 'convnet1'"):
        build_model('convnett1', downsample=Max(), num_classes=10)


def test_normalisation_is_by_channel_mean_and_spread():
    classifier = Classifier(ConvNet1(Max(), 10), mean=(0.5, 0.25), std=(0.5, 0.125))
    images = np.full((1, 2, 2, 2), 255, np.uint8)
    np.testing.assert_allclose(
        classifier.normalise(jnp.asarray(images))[0, 0, 0], [1, 6], rtol=1e-6
    )


@pytest.mark.parametrize(
    'images', [jnp.zeros((1, 28, 28, 1)), jnp.zeros((1, 28, 28, 3), jnp.uint8)]
)
def test_images_of_another_type_or_shape_are_refused(images, unchecked):
    classifier = Classifier(ConvNet1(Max(), 10), mean=(0.5,), std=(0.5,))
    with pytest.raises(BadInput, match=r'images must be uint8 \(batch, height, width, 1\); got'):
        classifier.normalise(images)


def test_the_losses_of_tips_are_means_over_its_layers():
    """So that the undo term does not grow with their number."""
    model = ConvNet1(strategy_named('tips'), 4)
    classifier = Classifier(model, mean=(0.5,), std=(0.25,))
    images = jnp.asarray(np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1)), jnp.uint8)
    variables = classifier.init(jax.random.key(0), (8, 8, 1))
    key = jax.random.key(1)
    rngs = {'dropout': key, 'downsample': jax.random.fold_in(key, 1)}
    _, state = model.apply(
        variables,
        classifier.normalise(images),
        train=True,
        mutable=['batch_stats', 'losses'],
        rngs=rngs,
    )
    _, _, added = classifier.train_logits(variables, images, key)
    terms = jax.tree_util.tree_flatten_with_path(state['losses'])[0]
    named = {name: [float(t) for path, t in terms if path[-2].key == name] for name in MEANS}
    assert [len(terms) for terms in named.values()] == [2, 2]
    expected = sum(np.mean(terms) for terms in named.values())
    assert float(added) == pytest.approx(expected, rel=1e-5) and added > 0
    assert 0 < np.mean(named['mean_mixing']) <= 0.5 / 0.65  # 1 - |tau| is at most a half


def test_every_other_sown_loss_is_added():
    class Sowing(ConvNet1):
        def logits(self, layers, x, *, name='dense'):
            self.sow('losses', 'one', jnp.float32(1.0))
            self.sow('losses', 'mean_two', jnp.float32(1.0))
            self.sow('losses', 'one', jnp.float32(1.0))
            self.sow('losses', 'mean_two', jnp.float32(3.0))
            return super().logits(layers, x, name=name)

    classifier = Classifier(Sowing(Max(), 3), mean=(0.5,), std=(0.25,))
    variables = classifier.init(jax.random.key(0), (8, 8, 1))
    images = jnp.zeros((2, 8, 8, 1), jnp.uint8)
    assert float(classifier.train_logits(variables, images, jax.random.key(0))[2]) == 2 + 2
