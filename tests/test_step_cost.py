"""The cost and the trace of one training step."""

import gzip
import io
import json

from rich.console import Console

from cnn_jax.data import load
from cnn_jax.runs import Comparison
from cnn_jax.strategies import Avg, Max
from cnn_jax.terminal import fitting
from experiments.benchmarks.step_cost import cost_table, step_costs


def test_costs_and_traces_of_every_strategy(tmp_path):
    comparison = Comparison(
        strategies={'max': Max(), 'average': Avg()}, data='shapes_tiny', batch_size=16
    )
    costs = step_costs(comparison, load('shapes_tiny'), profile=tmp_path / 'new')
    assert list(costs) == ['max', 'average']
    for name, cost in costs.items():
        assert min(cost.direct_milliseconds, cost.milliseconds) > 0
        assert 0.5 < cost.flops / cost.direct_flops < 3 and cost.bytes > cost.direct_bytes / 2
        (trace,) = (tmp_path / 'new' / name).rglob('perfetto_trace.json.gz')
        with gzip.open(trace) as file:
            events = json.load(file)
        events = events['traceEvents'] if isinstance(events, dict) else events
        assert any('dot' in str(event.get('name')) for event in events)
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(cost_table(costs))
    assert console.export_text().count('%') == len(costs)
    narrow = Console(width=30, file=io.StringIO(), record=True)
    narrow.print(fitting(cost_table(costs), narrow.width))
    text = narrow.export_text()
    for cost in costs.values():
        assert f'{cost.milliseconds:.2f}' in text and f'{cost.bytes / 1e6:.0f}' in text
