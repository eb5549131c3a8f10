"""The tasks by name: what differs between them once a network is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cnn_jax.data import Split
from cnn_jax.evaluation import Predict
from cnn_jax.runs.config import Recipe
from cnn_jax.runs.tasks import classification, detection, keypoints, segmentation
from cnn_jax.runs.tasks.judged import Arrays, Found, Judged
from cnn_jax.training import OBJECTIVES, Objective
from cnn_jax.training import classification as classification_objective


@dataclass(frozen=True)
class Task:
    """What a task is to a run.

    Attributes:
        output_shape: (height, width, channels) of an image, and the number of classes, to the shape
            of what the network must return for it.
        answers: From a network, images and a batch size to what the network says of each image, in
            as little memory as its measures need.
        figures: From the answers, the split and the number of classes to accuracy and loss, after
            every epoch; the loss is None where the answers do not tell it.
        headlines: The measures that every cell has besides, and arrays for `predictions.npz`.
        measures: Those that a config may choose, by name.
    """

    output_shape: Callable[[tuple[int, int, int], int], tuple[int, ...]]
    answers: Callable[[Predict, np.ndarray, int], np.ndarray]
    figures: Callable[[np.ndarray, Split, int], Found]
    headlines: Callable[[Judged], tuple[Found, Arrays]]
    measures: Mapping[str, Callable[[Judged], Found]]


TASKS: Mapping[str, Task] = {
    name: Task(
        output_shape=room.output_shape,
        answers=room.answers,
        figures=room.figures,
        headlines=room.headlines,
        measures=room.MEASURES,
    )
    for name, room in {
        'classification': classification,
        'segmentation': segmentation,
        'detection': detection,
        'keypoints': keypoints,
    }.items()
}


def task_of(recipe: Recipe) -> Task:
    """The task of a recipe."""
    return TASKS[recipe.task]


def objective_of(recipe: Recipe) -> Objective:
    """What a recipe's training minimises."""
    if recipe.task == 'classification':
        return classification_objective(label_smoothing=recipe.label_smoothing)
    return OBJECTIVES[recipe.task]
