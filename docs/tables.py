"""The tables of these pages, made from `experiments/results` when the pages are built.

Missing measurements are shown as a dash, so that a new strategy or model never requires a
benchmark.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from cnn_jax.data.targets import TASKS
from cnn_jax.inspection import plot_responses
from cnn_jax.measures import measures_of
from cnn_jax.reports import summarize_run
from cnn_jax.reports.markdown import block_as_markdown
from cnn_jax.reports.page import Block, Picture
from cnn_jax.reports.sections import further_measures
from cnn_jax.reports.study import study_runs
from cnn_jax.reports.study_page import study_page
from cnn_jax.reports.summary import METRICS
from cnn_jax.strategies import DDAC, FAMILIES, Strategy, strategy_names
from cnn_jax.style import svg
from experiments import (
    bench_accelerator,
    bench_conv,
    bench_models,
    bench_sweep,
    bench_training,
    check_compiler,
    simulate_verdicts,
)
from experiments.benchmarks import table
from experiments.benchmarks.table import as_markdown

RESULTS = Path(__file__).parents[1] / 'experiments' / 'results'
DASH = '–'


def read(name: str):
    """The content of `experiments/results/name`."""
    return json.loads((RESULTS / name).read_text(encoding='utf-8'))


def mean_and_half(values: Mapping) -> str:
    """A mean and half of its 95% interval, in percent; for a single seed only the mean."""
    mean = f'{100 * values["mean"]:.2f}'
    if not values['ci95'] or len(values['values']) < 2:
        return mean
    return f'{mean} ± {100 * (values["ci95"][1] - values["ci95"][0]) / 2:.2f}'


def comparison(run: str, metric: str) -> str:
    """One metric of each strategy, and its paired difference from the baseline, in points."""
    summary = read(f'{run}/summary.json')
    found = {c['strategy']: c for c in summary['comparisons'] if c['metric'] == metric}
    rows = []
    for name, values in summary['strategies'].items():
        row = [f'`{name}`', mean_and_half(values[metric])]
        if name in found:
            low, high = (100 * bound for bound in found[name]['ci95'])
            row += [f'{100 * found[name]["difference"]:+.2f}', f'{low:+.2f} to {high:+.2f}']
            row += [f'{found[name]["p_holm"]:.3f}', found[name]['verdict']]
        else:
            row += [DASH, DASH, DASH, 'baseline']
        rows.append([cell.replace('-', '−') if i else cell for i, cell in enumerate(row)])
    label = measures_of(summary['config'])[metric].label
    columns = ('strategy', f'{label} %', 'difference', '95% interval', 'p (Holm)', 'verdict')
    return as_markdown(columns, rows)


def dense(task: str) -> str:
    """Both compared measures of a task's comparison, and its others; a dash before it was run."""
    if not (RESULTS / 'dense' / task / 'summary.json').is_file():
        return DASH
    parts = [comparison(f'dense/{task}', metric) for metric in METRICS]
    summary = read(f'dense/{task}/summary.json')
    others = further_measures(summary, but=METRICS)
    parts += [] if others is None else map(block_as_markdown, others.blocks)
    return '\n\n'.join(parts)


def all_strategies() -> str:
    """One epoch and one seed of every registered strategy."""
    measured = read('all_strategies/summary.json')['strategies']
    rows = []
    for name in strategy_names():
        values = measured.get(name)
        shares = [
            f'{100 * values[metric]["mean"]:.2f}' if values else DASH
            for metric in ('accuracy', 'consistency')
        ]
        parameters = f'{values["parameters"]:,}' if values else DASH
        flops = f'{values["flops_per_example"] / 1e6:.2f}' if values else DASH
        rows.append([f'`{name}`', *shares, parameters, flops])
    columns = ('strategy', 'accuracy %', 'consistency %', 'parameters', 'MFLOPs')
    return as_markdown(columns, rows)


def strategies() -> str:
    """Every strategy by family: its frequency response, its description, and what it costs."""
    measured = read('all_strategies/summary.json')['strategies']
    parts = []
    for family, members in FAMILIES.items():
        parts.append(f'## {family.capitalize()}')
        for kind in members:
            parts += [f'### `{kind.name}`', _response(kind), _description(kind)]
            values = measured.get(kind.name)
            if values:
                cost = f'{values["flops_per_example"] / 1e6:.2f} MFLOPs'
                parts.append(
                    f'ConvNet1 with it: {values["parameters"]:,} parameters, {cost} an image.'
                )
    return '\n\n'.join(parts) + '\n'


def _response(kind: type[Strategy]) -> str:
    """The plot, as part of the page; none where filters are initialised at random."""
    if kind in FAMILIES['convolved']:
        return ''
    strategy = DDAC(groups=1) if kind is DDAC else kind()  # waves have one channel
    drawn = svg(plot_responses({kind.name: strategy}), f'response-{kind.name}')
    words = f'Gain over frequency of {kind.name}'
    return f'```{{raw}} html\n<div class="drawn" role="img" aria-label="{words}">{drawn}</div>\n```'


def _description(kind: type[Strategy]) -> str:
    place = f'{kind.__module__.rpartition(".")[0]}.{kind.__name__}'
    return f'```{{eval-rst}}\n.. autoclass:: {place}\n   :no-members:\n   :no-index:\n```'


def ops_beside_peers() -> str:
    """Our time over the best peer's, forward and backward, by shape and allocator."""
    runs = {'tcmalloc': 'all', 'default': 'default_allocator'}
    ratios: dict[str, dict[str, str]] = {}
    for allocator, run in runs.items():
        for row in read(f'bench_ops/{run}.json'):
            if row['direction'] == 'forward+backward' and row['ratio_to_torch']:
                case, shape = row['case'].rsplit(' ', 1)
                column = f'{shape}, {allocator}'
                ratios.setdefault(case, {})[column] = f'{row["ratio_to_torch"]:.2f}'
    columns = list(dict.fromkeys(c for row in ratios.values() for c in row))
    rows = [[f'`{case}`', *(row.get(c, DASH) for c in columns)] for case, row in ratios.items()]
    return as_markdown(('op', *columns), rows)


def study(name: str) -> str:
    """The report of a published study, with its plots as part of the page."""
    title, runs = study_runs(RESULTS / 'studies' / name)
    page = study_page(title, runs, {key: summarize_run(run) for key, run in runs.items()})
    parts = [as_block(block) for block in page.lead]
    for section in page.sections:
        parts += [f'## {section.title}', *(as_block(block) for block in section.blocks)]
    return '\n\n'.join(parts) + '\n'


def on_a_gpu() -> str:
    """Means of the published study's cells on a GPU beside the same cells on CPUs, in percent."""
    cpu, gpu = (study_runs(RESULTS / 'studies' / name)[1] for name in ('quick', 'h100'))
    columns = ('data, strategy', 'seeds')
    columns += ('accuracy: CPU', 'GPU', 'difference', 'consistency: CPU', 'GPU', 'difference')
    rows = []
    for data in (name for name in gpu if name in cpu):
        for strategy in dict.fromkeys(cell.strategy for cell in gpu[data].cells):
            here, there = (
                {cell.seed: cell.result for cell in run.select(strategy, 'completed')}
                for run in (cpu[data], gpu[data])
            )
            seeds = sorted(here.keys() & there.keys())
            if len(seeds) < 3:
                continue
            row = [f'{data}, `{strategy}`', str(len(seeds))]
            for metric in ('accuracy', 'consistency'):
                ours, theirs = (
                    np.array([100 * results[seed][metric] for seed in seeds])
                    for results in (here, there)
                )
                moved = theirs - ours
                error = moved.std(ddof=1) / len(seeds) ** 0.5
                row += [f'{ours.mean():.2f}', f'{theirs.mean():.2f}']
                row += [f'{moved.mean():+.2f} ± {error:.2f}']
            rows.append(row)
    return as_markdown(columns, rows)


def as_block(block: Block) -> str:
    """A block of a report in these pages."""
    if not isinstance(block, Picture):
        return block_as_markdown(block)
    words = block.alternative.replace('"', "'")
    drawn = f'<div class="drawn" role="img" aria-label="{words}">{block.svg}</div>'
    return f'```{{raw}} html\n{drawn}\n```\n\n{block.caption}'


def verdict_errors() -> str:
    """How often simulated tables contain a false claim."""
    rows = read('simulate_verdicts/simulate_verdicts.json')['false_claims']
    cells = simulate_verdicts.false_claims_cells(rows)
    return as_markdown(simulate_verdicts.COLUMNS, cells)


def verdict_power() -> str:
    """How often simulated differences are detected."""
    rows = read('simulate_verdicts/simulate_verdicts.json')['power']
    return as_markdown(simulate_verdicts.POWER_COLUMNS, simulate_verdicts.power_cells(rows))


def verdict_same() -> str:
    """How often strategies that do not differ are called the same."""
    rows = read('simulate_verdicts/simulate_verdicts.json')['false_claims']
    return as_markdown(simulate_verdicts.SAME_COLUMNS, simulate_verdicts.same_cells(rows))


def accelerator() -> str:
    """Every op on a GPU compared with torch, at the largest shape that was timed."""
    rows = read('bench_accelerator/h100.json')
    cells = [bench_accelerator.cells(row) for row in rows]
    return as_markdown(bench_accelerator.COLUMNS, cells)


def compiler() -> str:
    """How the fused kernels affect this project's programs, by version of jaxlib."""
    parts = []
    for path in sorted((RESULTS / 'check_compiler').glob('*.json')):
        rows = json.loads(path.read_text(encoding='utf-8'))['programs']
        parts.append(f'{path.stem.replace("_", " ")}:\n\n{check_compiler.markdown(rows)}')
    return '\n\n'.join(parts)


TABLES: Mapping[str, Callable[[], str]] = {
    'compare_accuracy': lambda: comparison('compare', 'accuracy'),
    'compare_consistency': lambda: comparison('compare', 'consistency'),
    'tuned_accuracy': lambda: comparison('convnet1_tuned', 'accuracy'),
    'tuned_consistency': lambda: comparison('convnet1_tuned', 'consistency'),
    'mnist1d_accuracy': lambda: comparison('mnist1d', 'accuracy'),
    'mnist1d_consistency': lambda: comparison('mnist1d', 'consistency'),
    'strategies': strategies,
    'all_strategies': all_strategies,
    'models': lambda: bench_models.markdown(read('bench_models/small_images.json')),
    'training': lambda: bench_training.markdown(read('bench_training/all.json')),
    'convolutions': lambda: bench_conv.markdown(read('bench_conv/all.json')),
    'sweeps': lambda: bench_sweep.markdown(read('bench_sweep/sweep.json')),
    'ops_short': ops_beside_peers,
    'ops': lambda: table.markdown(read('bench_ops/all.json')),
    'aps': lambda: table.markdown(read('bench_ops/aps.json')),
    'ops_default': lambda: table.markdown(read('bench_ops/default_allocator.json')),
    'compiler': compiler,
    'study_quick': lambda: study('quick'),
    'study_h100': lambda: study('h100'),
    'study_on_a_gpu': on_a_gpu,
    **{f'dense_{task}': partial(dense, task) for task in TASKS[1:]},
    'verdict_errors': verdict_errors,
    'verdict_power': verdict_power,
    'verdict_same': verdict_same,
    'accelerator': accelerator,
}


def write_all(folder: Path) -> None:
    """Each table as `folder/NAME.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in TABLES.items():
        (folder / f'{name}.md').write_text(make(), encoding='utf-8')
