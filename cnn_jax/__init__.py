"""cnn_jax: convolutional networks and their pooling in JAX and Flax.

Rooms, in the order in which they may import each other: `ops` (arrays in, arrays out), `modules`
(Flax Linen shells), `models`, `training`, `evaluation`, `runs` (what touches the disk) and
`reports`; `inspection` stands on `models`. `data` is a leaf, like `ops`. Importing this package
changes no global setting.
"""

__version__ = '0.1.0'
