"""Receptive fields: published sizes, and every unit of small networks against brute force."""

import numpy as np
import pytest

from cnn_jax.inspection import summarize
from cnn_jax.models import Network, build_model
from cnn_jax.models.googlenet import Inception
from cnn_jax.models.mobilenet import InvertedResidual
from cnn_jax.models.resnet import ResidualBlock
from cnn_jax.strategies import Avg, Blur, Max, MaxBlur, Stride
from tests.inspection.probe import reached

PUBLISHED = [
    ('alexnet', {}, 'pool5', 195, (320, 63, 3)),
    ('vgg16', {'small_images': True}, 'pool5', 212, (320, 32, 3)),
    ('resnet50', {}, 'layer4_2/conv3', 427, (480, 32, 3)),
]


@pytest.mark.parametrize('name, options, layer, size, shape', PUBLISHED)
def test_published_sizes_and_where_they_lie(name, options, layer, size, shape):
    model = build_model(name, downsample=Max(), num_classes=10, **options)
    (found,) = (row for row in summarize(model, shape).layers if row.name == layer)
    assert found.field is not None
    assert found.field.size == (size, size) and found.field.stride == (32, 32)
    firsts = (found.field.of_unit(unit, 0)[0][0] for unit in range(found.output_shape[0]))
    unit, first = next((unit, first) for unit, first in enumerate(firsts) if first > 0)
    lines = (first - 1, first, first + size - 1, first + size)
    assert lines[-1] < shape[0]
    seen = reached(model, shape, 0, lines)[layer][:, unit]
    assert seen.tolist() == [False, True, True, False]


class Blocks(Network):
    """Branches of every kind: concatenated, added with and without a projection."""

    def forward(self, layers, x):
        x = Inception(layers, (2, 2, 2, 2, 2, 2), name='inception')(x)
        for downsample in (False, True):
            plan = ((4, 1, 1), (4, 3, 2), (8, 1, 1))
            x = ResidualBlock(layers, plan, downsample, name=f'residual{int(downsample)}')(x)
        x = InvertedResidual(layers, 2, x.shape[-1], False, name='inverted')(x)
        return layers.average(x)


SETTINGS = {
    'convnet1': ({}, (45, 16, 1)),
    'lenet5': ({}, (20, 45, 1)),
    'nin': ({}, (50, 8, 3)),
    'resnet20': ({'blocks': 1}, (8, 70, 3)),
    'preact_resnet18': ({'depths': (1, 1)}, (70, 8, 3)),
    'blocks': ({}, (8, 45, 3)),
}
CASES = [
    *(('convnet1', strategy) for strategy in (Max(), Stride(), Avg(3, padding='same'))),
    ('convnet1', Blur(filter_size=4, padding='zero')),
    ('convnet1', MaxBlur(3, filter_size=5)),
    *((name, MaxBlur()) for name in ('lenet5', 'preact_resnet18')),
    *(('resnet20', strategy) for strategy in (Max(), Avg())),
    ('nin', Max()),
    *(('blocks', strategy) for strategy in (Max(), Blur(), MaxBlur())),
]


@pytest.mark.parametrize('name, strategy', CASES, ids=str)
def test_every_unit_of_every_layer(name, strategy):
    """Along the longer side of the images."""
    options, shape = SETTINGS[name]
    if name == 'blocks':
        model = Blocks(strategy, num_classes=8)
    else:
        model = build_model(name, downsample=strategy, num_classes=10, **options)
    axis, size = int(shape[1] > shape[0]), max(shape[:2])
    fields = {row.name: row.field for row in summarize(model, shape).layers}
    inside = 0
    for layer, seen in reached(model, shape, axis, range(size)).items():
        field = fields[layer]
        assert field is not None
        for unit, pixels in enumerate(map(np.flatnonzero, seen.T)):
            first, last = field.of_unit(unit, unit)[axis]
            if first >= 0 and last < size:
                inside += 1
                assert (pixels[0], pixels[-1]) == (first, last), (layer, unit)
            elif len(pixels):
                assert first <= pixels[0] and pixels[-1] <= last, (layer, unit)
    assert inside > 50
