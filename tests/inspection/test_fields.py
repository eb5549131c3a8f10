"""Receptive fields: published sizes, and every unit of small networks against brute force."""

import numpy as np
import pytest

from cnn_jax.inspection import summarize
from cnn_jax.models import build_model
from cnn_jax.modules import Avg, Blur, Max, MaxBlur, Stride, strategy_named
from tests.inspection.probe import reached

PUBLISHED = [
    ('alexnet', 'pool5', 195, (320, 63, 3)),
    ('vgg16', 'pool5', 212, (320, 32, 3)),
    ('resnet50', 'layer4_2/conv3', 427, (480, 32, 3)),
]


@pytest.mark.parametrize('name, layer, size, shape', PUBLISHED)
def test_published_sizes_and_where_they_lie(name, layer, size, shape):
    model = build_model(name, downsample=Max(), num_classes=10)
    (found,) = (row for row in summarize(model, shape).layers if row.name == layer)
    assert found.field is not None
    assert found.field.size == (size, size) and found.field.stride == (32, 32)
    unit = found.output_shape[0] // 2
    for unit in range(found.output_shape[0]):
        (first, last), _ = found.field.of_unit(unit, 0)
        if first > 0 and last < shape[0] - 1:
            break
    lines = (first - 1, first, last, last + 1)
    assert 0 <= lines[0] and lines[-1] < shape[0]
    seen = reached(model, shape, 0, lines)[layer][:, unit]
    assert seen.tolist() == [False, True, True, False]


SMALL = [
    ('convnet1', {}, 1, 45, 16),
    ('lenet5', {}, 1, 45, 16),
    ('nin', {}, 3, 50, 10),
    ('resnet20', {}, 3, 97, 8),
    ('preact_resnet18', {'depths': (1, 1, 1, 1)}, 3, 90, 8),
    ('mobilenet_v2', {'small_images': True}, 3, 64, 32),
    ('googlenet', {'small_images': True}, 3, 64, 32),
]
STRATEGIES = [
    Max(),
    Stride(),
    Avg(),
    Avg(3, padding='same'),
    Blur(filter_size=4, padding='zero'),
    MaxBlur(),
    strategy_named('max_blur', filter_size=5, padding='zero', window=3),
]
CASES = [('convnet1', strategy) for strategy in STRATEGIES]
CASES += [('resnet20', strategy) for strategy in (Max(), MaxBlur(), Avg())]
CASES += [('nin', Max()), ('nin', MaxBlur()), ('lenet5', Blur()), ('preact_resnet18', MaxBlur())]
CASES += [('googlenet', Max())]
SETTINGS = {name: settings for name, *settings in SMALL}


@pytest.mark.parametrize('name, strategy', CASES, ids=str)
def test_every_unit_of_every_layer(name, strategy):
    options, channels, length, other = SETTINGS[name]
    model = build_model(name, downsample=strategy, num_classes=10, **options)
    for axis, shape in enumerate([(length, other, channels), (other, length, channels)]):
        fields = {row.name: row.field for row in summarize(model, shape).layers}
        exact = 0
        for layer, seen in reached(model, shape, axis, range(length)).items():
            field = fields[layer]
            assert field is not None
            for unit, pixels in enumerate(map(np.flatnonzero, seen.T)):
                first, last = field.of_unit(unit, unit)[axis]
                inside = 0 <= first and last < length
                exact += inside
                if inside:
                    assert (pixels[0], pixels[-1]) == (first, last), (layer, unit)
                else:
                    assert not len(pixels) or first <= pixels[0] <= pixels[-1] <= last, layer
        assert exact > 20
