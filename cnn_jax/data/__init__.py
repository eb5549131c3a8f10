"""Data sets as arrays in memory. Imports no jax, and tensorflow-datasets only when needed.

>>> import cnn_jax.data
>>> dataset = cnn_jax.data.load('shapes_tiny')
>>> rest, validation = cnn_jax.data.split_validation(dataset.train, fraction=0.25, seed=0)
>>> len(rest), len(validation), len(dataset.test)
(192, 64, 64)
"""

from cnn_jax.data.dataset import Dataset, Split
from cnn_jax.data.folders import data_dir
from cnn_jax.data.hugging_face import from_hugging_face
from cnn_jax.data.image_folder import load_image_folder
from cnn_jax.data.load import load
from cnn_jax.data.markers import draw_markers, make_shapes_keypoints, marker_points
from cnn_jax.data.mask_folder import load_mask_folder
from cnn_jax.data.scenes import make_shapes_detection, make_shapes_segmentation
from cnn_jax.data.shapes import make_shapes
from cnn_jax.data.statistics import channel_statistics
from cnn_jax.data.targets import IGNORED, TASKS, is_box
from cnn_jax.data.validation import split_validation

__all__ = [
    'IGNORED',
    'TASKS',
    'Dataset',
    'Split',
    'channel_statistics',
    'data_dir',
    'draw_markers',
    'from_hugging_face',
    'is_box',
    'load',
    'load_image_folder',
    'load_mask_folder',
    'make_shapes',
    'make_shapes_detection',
    'make_shapes_keypoints',
    'make_shapes_segmentation',
    'marker_points',
    'split_validation',
]
