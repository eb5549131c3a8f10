"""A whole training run in a process of its own: the wall-clock time from start to accuracy."""

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import jax
import jax.numpy as jnp
import numpy as np

from cnn_jax.errors import require
from cnn_jax.evaluation import accuracy, predict_logits, predictor
from cnn_jax.runs import Cell
from cnn_jax.runs.parallel import process_variables
from cnn_jax.runs.process import compute_on, preload_variables, usable_cores
from cnn_jax.runs.setup import load_dataset, setup_of, splits
from cnn_jax.training import create_state, train_epoch, zero_sums
from cnn_jax.training.batches import epoch_order
from experiments.benchmarks.timing import cache_variables


def timed_run(cell: Cell) -> dict:
    """The cell in a new process with an empty compilation cache: seconds, accuracy, split."""
    with tempfile.TemporaryDirectory() as cache:
        variables = {**preload_variables(), **cache_variables(cache)}
        start = time.perf_counter()
        with (
            process_variables(variables),
            ProcessPoolExecutor(
                1,
                get_context('spawn'),
                initializer=compute_on,
                initargs=(usable_cores()[: cell.cores],),
            ) as process,
        ):
            result = process.submit(train_and_judge, cell).result()
            seconds = time.perf_counter() - start
    return {'seconds': round(seconds, 2), **result}


def train_and_judge(cell: Cell) -> dict:
    """Trains the cell in this process and judges it once, at the end."""
    marks = {'start': time.perf_counter()}
    data = load_dataset(cell, log=lambda line: None)
    train, judge, split = splits(cell, data)
    setup = setup_of(cell, data)
    marks['load'] = time.perf_counter()
    key = jax.random.key(cell.seed)
    state = create_state(setup.classifier, setup.optimizer, key, data.image_shape)
    images, labels = jnp.asarray(train.images), jnp.asarray(train.labels)
    for epoch in range(cell.epochs):
        order = epoch_order(key, epoch, examples=len(labels), batch_size=cell.batch_size)
        state, _, outcome = train_epoch(
            setup.step, state, zero_sums(), images=images, labels=labels, order=order, key=key
        )
        require(outcome != 'diverged', f'seed {cell.seed} diverged in epoch {epoch + 1}.')
    marks['train'] = time.perf_counter()
    flips = getattr(cell.augment, 'flip', False)
    views = [judge.images, judge.images[:, :, ::-1]] if flips else [judge.images]
    size = cell.evaluation.batch_size
    predict = predictor(setup.classifier, state.variables)
    logits = [predict_logits(predict, x, batch_size=size) for x in views]
    marks['judge'] = time.perf_counter()
    names = list(marks)
    parts = {b: round(marks[b] - marks[a], 2) for a, b in zip(names, names[1:], strict=False)}
    return {
        'split': split,
        'accuracy': accuracy(np.mean(logits, 0), judge.labels),
        'parts_s': parts,
    }
