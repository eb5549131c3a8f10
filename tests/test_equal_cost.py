"""The widths of the study at equal cost are those that cost nearest to max pooling's."""

import pytest

from cnn_jax.inspection import summarize
from cnn_jax.models.convnet3 import ConvNet3
from cnn_jax.strategies import Max, strategy_named
from configs.studies.equal_cost import FLOPS, PARAMETERS, config

IMAGES = (32, 32, 3)


@pytest.mark.parametrize('cost, widths', [('flops', FLOPS), ('parameters', PARAMETERS)])
def test_no_other_width_is_nearer(cost, widths):
    def cost_of(strategy, width):
        return getattr(summarize(ConvNet3(strategy, 10, width=width), IMAGES), cost)

    wanted = cost_of(Max(), 16)
    strategies = config.comparisons[f'equal_{cost}'].strategies.values()
    assert {strategy.name for strategy in strategies} == set(widths)
    for name, width in widths.items():
        miss = [abs(cost_of(strategy_named(name), w) - wanted) for w in range(width - 1, width + 2)]
        assert min(miss) == miss[1], name
