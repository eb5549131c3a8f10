"""How long does each architecture take to compile and to train, with each kind of downsampling?

python -m experiments.bench_models --json runs/bench_models.json   (also writes the table as .md)

Takes three training steps of every model in its form for small images, one process after another,
so that no compiled program is shared. `compilations` counts compilations after the first step,
which should be 0.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cnn_jax.exits import exit_codes, parse_options

STEPS = 3
LARGEST_BATCH = 4096


@dataclass(frozen=True)
class Options:
    """What to train."""

    json: Path
    """File for the rows."""
    models: tuple[str, ...] = ()
    """Names of models; none means all."""
    downsample: tuple[str, ...] = ('max', 'max_blur', 'aps', 'blur')
    """Names of strategies."""
    batch_size: int = 8
    """Images of a step."""


def main() -> None:
    """Trains models x strategies, one process each; prints a table."""
    from cnn_jax.errors import BadInput, require, unknown_name
    from cnn_jax.files import write_atomically, write_json
    from cnn_jax.models import model_names
    from cnn_jax.strategies import strategy_named
    from experiments.benchmarks.timing import check_file

    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.bench_models',
        description='Times three training steps of every model with every strategy.',
    )
    file, batch = options.json, options.batch_size
    check_file(file)
    require(
        1 <= batch <= LARGEST_BATCH,
        f'--batch-size must be from 1 to {LARGEST_BATCH}; got {batch}.',
    )
    require(len(options.downsample) > 0, '--downsample must name at least one strategy.')
    for name in options.models:
        if name not in model_names():
            raise unknown_name('model', name, model_names())
    for name in options.downsample:
        strategy_named(name)
    rows = []
    for model in options.models or model_names():
        for strategy in options.downsample:
            call = f'train({model!r}, {strategy!r}, {batch})'
            code = f'from experiments.bench_models import train; {call}'
            done = subprocess.run(
                [sys.executable, '-c', code], capture_output=True, encoding='utf-8'
            )
            if done.returncode:
                said = done.stderr.strip().splitlines() or [f'exit status {done.returncode}']
                raise BadInput(f'{model} with {strategy}, --batch-size {batch} failed: {said[-1]}')
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            write_json(file, rows)
            print(' '.join(cells(rows[-1])), file=sys.stderr, flush=True)
    write_atomically(file.with_suffix('.md'), markdown(rows).encode())
    print(markdown(rows), end='')


def train(model: str, downsample: str, batch_size: int) -> None:
    """Prints the row of one model and strategy as JSON."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from cnn_jax.models import Classifier, build_model, count_parameters, for_images
    from cnn_jax.strategies import strategy_named
    from cnn_jax.training import Optimizer, create_state, make_optimizer, make_train_step, zero_sums
    from cnn_jax.training.augment import Augment

    compilations = []

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event.endswith('/backend_compile_duration'):
            compilations.append(duration_secs)

    network = build_model(model, downsample=strategy_named(downsample), num_classes=10)
    image_shape = min(network.IMAGES, (32, 32, 3))
    network = for_images(network, image_shape)
    channels = image_shape[-1]
    classifier = Classifier(network, mean=(0.5,) * channels, std=(0.25,) * channels)
    settings = Optimizer(name='sgd', learning_rate=1e-3)
    optimizer = make_optimizer(settings, epochs=1, steps_per_epoch=STEPS)
    state = create_state(classifier, optimizer, jax.random.key(0), image_shape)
    parameters = count_parameters({'params': state.params})
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.integers(0, 256, (batch_size, *image_shape), np.uint8))
    labels = jnp.arange(batch_size) % 10
    order = jnp.tile(jnp.arange(batch_size), (STEPS, 1))
    step, sums = make_train_step(classifier, optimizer, augment=Augment()), zero_sums()
    key = jax.random.key(0)
    jax.monitoring.register_event_duration_secs_listener(listen)
    took, compiled = [], []
    for _ in range(STEPS):
        before = len(compilations)
        start = time.perf_counter()
        state, sums = jax.block_until_ready(step(state, sums, images, labels, order, key))
        took.append(time.perf_counter() - start)
        compiled.append(len(compilations) - before)
    compile_s = sum(compilations)
    row = {
        'model': model,
        'downsample': downsample,
        'input': [batch_size, *image_shape],
        'parameters': parameters,
        'trace_s': took[0] - compile_s - took[-1],
        'compile_s': compile_s,
        'step_ms': 1e3 * min(took[1:]),
        'compilations': sum(compiled[1:]),
        'loss_finite': bool(jnp.isfinite(sums.loss)),
    }
    print(json.dumps(row))


def cells(row: dict) -> list[str]:
    """A row's figures as they are shown."""
    return [
        row['model'],
        row['downsample'],
        'x'.join(map(str, row['input'])),
        f'{row["parameters"]:,}',
        f'{row["trace_s"]:.1f}',
        f'{row["compile_s"]:.1f}',
        f'{row["step_ms"]:.0f}',
        str(row['compilations']),
        'yes' if row['loss_finite'] else 'no',
    ]


def markdown(rows: list[dict]) -> str:
    """All rows as a Markdown table."""
    from experiments.benchmarks.table import as_markdown

    head = ('model', 'downsample', 'input', 'parameters', 'trace, s', 'compile, s', 'step, ms')
    head = (*head, 'compilations later', 'loss finite')
    return as_markdown(head, map(cells, rows))


if __name__ == '__main__':
    with exit_codes():
        main()
