"""Segmentation, detection and keypoints: trained, judged, resumed and reported as any other run."""

import json

import jax
import numpy as np
import pytest

from cnn_jax.data import Dataset, Split, load
from cnn_jax.errors import BadInput
from cnn_jax.evaluation import predict_masks
from cnn_jax.measures import CHEAP, MEASURES, headlines
from cnn_jax.models.small_dense import CenterNetSmall, KeypointSmall
from cnn_jax.models.unet import UNetSmall
from cnn_jax.ops.shifts import shift_images
from cnn_jax.reports.pictures import choose_pictures, plot_pictures
from cnn_jax.reports.run import CellResult, Run
from cnn_jax.reports.spread import accuracy_spread
from cnn_jax.runs import Cell, Comparison, Evaluation
from cnn_jax.runs.cell import run_cell
from cnn_jax.runs.setup import check_cell
from cnn_jax.runs.tasks.segmentation import _pictures
from cnn_jax.strategies import APS, Max
from cnn_jax.training import Optimizer

NETWORKS = {'segmentation': UNetSmall, 'detection': CenterNetSmall, 'keypoints': KeypointSmall}


def narrow_segmentation(*, downsample, num_classes):
    return UNetSmall(downsample, num_classes, width=2, fill='circular')


def narrow_detection(*, downsample, num_classes):
    return CenterNetSmall(downsample, num_classes, width=2)


def narrow_keypoints(*, downsample, num_classes):
    return KeypointSmall(downsample, num_classes, width=2)


def few(task: str) -> Dataset:
    """Eight images of the tiny set, for training and for the test."""
    whole = load(f'shapes_{task}_tiny')
    split = Split(whole.train.images[:8].copy(), whole.train.labels[:8].copy())
    return Dataset('few', split, split, whole.class_names, task)


def cell_of(task: str, **changes) -> Cell:
    fields = dict(
        task=task,
        model=globals()[f'narrow_{task}'],
        strategy=APS() if task == 'segmentation' else Max(),
        seed=0,
        epochs=2,
        batch_size=4,
        optimizer=Optimizer(name='adam', learning_rate=1e-2),
        evaluation=Evaluation(max_shift=1, maps=2, batch_size=4),
    )
    return Cell(**fields | changes)


@pytest.mark.parametrize('task', NETWORKS)
def test_a_cell_of_every_task(task, tmp_path):
    dataset, cell = few(task), cell_of(task)
    check_cell(cell, dataset)
    first = run_cell(cell, tmp_path / 'a', dataset, trust_backend=True)
    assert first is not None
    chosen = {name for name, m in MEASURES[task].items() if m.chosen_as in CHEAP[task]}
    assert set(headlines(task)) | chosen <= set(first)
    rows = [json.loads(row) for row in (tmp_path / 'a' / 'metrics.jsonl').read_text().splitlines()]
    assert rows[1]['train_loss'] < rows[0]['train_loss'] and rows[1]['train_accuracy'] is None
    assert rows[-1]['accuracy'] == first['accuracy']
    for name in {*headlines(task), *chosen}:
        value = first[name]
        assert value is None or value >= 0 and (not MEASURES[task][name].percent or value <= 1)
    if task == 'segmentation':  # trained, APS beside APS-U still moves with the image exactly
        assert first['consistency_circular'] == 1 > first['consistency']
    if task == 'keypoints':
        goes_on_alike(cell, dataset, tmp_path)
    done = CellResult('max', 0, tmp_path / 'a', 'completed', first, {}, ())
    run = Run(tmp_path, {'task': task, 'baseline': 'max'}, dataset.class_names, (done,))
    pictures = choose_pictures(run)
    assert pictures is not None and len(plot_pictures(pictures).axes) >= 2
    assert accuracy_spread((done, done)) is None  # which is of classes


def goes_on_alike(cell, dataset, tmp_path):
    """Stopped and run again, it is as the one in the folder `a`."""
    stops = iter([False, True])
    stopped = run_cell(
        cell, tmp_path / 'b', dataset, trust_backend=True, stop=lambda: next(stops, True)
    )
    assert stopped is None
    run_cell(cell, tmp_path / 'b', dataset, trust_backend=True)
    kept = [(tmp_path / name / 'predictions.npz').read_bytes() for name in 'ab']
    assert kept[0] == kept[1]


def test_data_and_model_must_suit_the_task():
    comparison = Comparison(
        task='segmentation',
        model='unet_small',
        data='shapes_segmentation_tiny',
        strategies={'max': Max()},
    )
    assert comparison.evaluation.measures == CHEAP['segmentation']
    with pytest.raises(BadInput, match='few is for segmentation, and the comparison for keypoints'):
        check_cell(cell_of('keypoints'), few('segmentation'))
    with pytest.raises(BadInput, match=r'narrow_detection must give \(2, 64, 64, 6\) for 2 images'):
        check_cell(cell_of('segmentation', model=narrow_detection), few('segmentation'))
    with pytest.raises(BadInput, match="model 'convnet1' gives the class of each image, not a mas"):
        Comparison(task='segmentation', strategies={'max': Max()})


@pytest.mark.parametrize('border', ['zero', 'circular'])
def test_changed_pixels_by_loops(border, unchecked):
    """The share of shifts that change a pixel, among those under which it is in the image."""
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 1), np.uint8)

    class Judged:
        evaluation = Evaluation(max_shift=1, maps=2, border=border)
        test = Split(images, np.zeros(images.shape[:3], np.uint8))

        @staticmethod
        def predict(x):  # the class of a pixel depends on where it is
            rows = jax.numpy.arange(x.shape[1])[:, None, None] * 40
            return jax.numpy.concatenate([128.0 + 0 * x, x + rows], -1)

    Judged.answers = predict_masks(Judged.predict, images)
    found = _pictures(Judged)['picture_changed']
    expected, seen = np.zeros(found.shape), np.zeros(found.shape)
    for dy, dx in np.ndindex(3, 3):
        shift = np.array([dy - 1, dx - 1])
        moved = shift_images(jax.numpy.asarray(images), np.tile(shift, (2, 1)), border=border)
        masks = np.asarray(Judged.predict(moved)).argmax(-1)
        for place in np.ndindex(found.shape):
            image, y, x = place
            y, x = y + shift[0], x + shift[1]
            if border == 'zero' and not (0 <= y < 5 and 0 <= x < 6):
                continue
            seen[place] += 1
            expected[place] += masks[image, y % 5, x % 6] != Judged.answers[place]
    np.testing.assert_allclose(found, expected / seen, atol=1e-6)
    assert 0 < found.max() <= 1


def test_measures_of_two_axes_are_refused_for_sequences():
    split = Split(np.zeros((4, 1, 40, 1), np.uint8), np.arange(4, dtype=np.int32))
    dataset = Dataset('sequences', split, split, tuple('abcd'))
    measures = ('ece', 'rotation', 'equivariance')
    cell = Cell(
        strategy=Max(),
        seed=0,
        model='convnet3',
        batch_size=2,
        evaluation=Evaluation(measures=measures),
    )
    with pytest.raises(BadInput, match='rotation, equivariance: not for images of 1x40 pixels'):
        check_cell(cell, dataset)
