"""The strategies: frozen dataclasses whose fields are their hyperparameters, a file per family."""

from cnn_jax.strategies.base import (
    AVG_POOL,
    MAX_POOL,
    SHORTCUT,
    SITES,
    STRIDED_CONV,
    Choice,
    Site,
    Strategy,
)
from cnn_jax.strategies.blurred import *
from cnn_jax.strategies.combined import *
from cnn_jax.strategies.convolved import *
from cnn_jax.strategies.drawn import *
from cnn_jax.strategies.frequency import *
from cnn_jax.strategies.plain import *
from cnn_jax.strategies.polyphase import *
from cnn_jax.strategies.registry import (
    FAMILIES,
    STRATEGIES,
    strategy_from_dict,
    strategy_named,
    strategy_names,
    strategy_to_dict,
)
from cnn_jax.strategies.upsampling import (
    APSU,
    LPU,
    Bilinear,
    BlurUp,
    Matching,
    MaxUnpool,
    Nearest,
    TransposedConv,
    Upsampling,
    upsampling_named,
    upsampling_names,
)
from cnn_jax.strategies.weighted import *

# Each family's file lists its strategies, so that a new one is named in a single file.
__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    'APSU',
    'AVG_POOL',
    'Bilinear',
    'BlurUp',
    'Choice',
    'LPU',
    'Matching',
    'MaxUnpool',
    'Nearest',
    'TransposedConv',
    'Upsampling',
    'upsampling_named',
    'upsampling_names',
    'FAMILIES',
    'MAX_POOL',
    'SHORTCUT',
    'SITES',
    'STRATEGIES',
    'STRIDED_CONV',
    'Site',
    'Strategy',
    'strategy_from_dict',
    'strategy_named',
    'strategy_names',
    'strategy_to_dict',
    *(strategy.__name__ for strategy in STRATEGIES),
]
