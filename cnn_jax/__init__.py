"""cnn_jax: convolutional networks and their pooling in JAX and Flax.

Rooms, in the order in which they may import each other: `ops` (arrays in, arrays out), `modules`
(Flax Linen shells), `models`, `training`, `evaluation`, `runs` (what touches the disk) and
`reports`; `weights` (files of variables, to and from PyTorch) and `inspection` (summaries and
receptive fields) stand on `models`. `data` is a leaf, like `ops`. Importing this package changes no
global setting.
"""

__version__ = '0.1.0'
