"""Suggestions for unknown names."""

import pytest

from cnn_jax.errors import unknown_name
from cnn_jax.models import model_names
from cnn_jax.strategies import strategy_names


@pytest.mark.parametrize(
    ('given', 'meant'),
    [
        ('max_pool', 'max'),
        ('MaxPool2d', 'max'),
        ('maxpooling', 'max'),
        ('avg_pool', 'avg'),
        ('blurpool', 'blur'),
        ('BlurPool', 'blur'),
        ('maxblurpool', 'max_blur'),
        ('max-blur', 'max_blur'),
        ('gem_pooling', 'gem'),
        ('lps', 'lps'),
    ],
)
def test_other_spellings_of_a_strategy(given, meant):
    assert f'did you mean {meant!r}?' in str(unknown_name('strategy', given, strategy_names()))


@pytest.mark.parametrize(
    ('given', 'meant'),
    [('resnet-18', 'resnet18'), ('ResNet50', 'resnet50'), ('VGG16_BN', 'vgg16_bn')],
)
def test_other_spellings_of_a_model(given, meant):
    assert f'did you mean {meant!r}?' in str(unknown_name('model', given, model_names()))


def test_nothing_is_offered_for_what_is_near_to_nothing():
    assert 'did you mean' not in str(unknown_name('strategy', '??', strategy_names()))
