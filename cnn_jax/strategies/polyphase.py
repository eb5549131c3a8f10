"""Strategies that choose one polyphase component, or mix them all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from flax import linen as nn
from jaxtyping import Array

from cnn_jax import ops
from cnn_jax.fields import Between
from cnn_jax.ops import tips
from cnn_jax.ops.learned_polyphase import Mode
from cnn_jax.ops.phases import SelectOn
from cnn_jax.ops.polyphase import Norm
from cnn_jax.ops.windows import Fill, Pairs
from cnn_jax.strategies.base import (
    WINDOW,
    Choice,
    ChoiceKind,
    Factor,
    FilterSize,
    Site,
    Strategy,
    Window,
    added_reach,
    window_at,
    window_reach,
)

LossWeight = Annotated[float, Between(0, 1e6)]
# Uniform over +-1 / sqrt(elements of the kernel), the default in the authors' code of TIPS.
_TIPS_START = nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform')


@dataclass(frozen=True)
class Polyphase(Strategy):
    """The fields and the max pooling that these strategies share.

    In place of a max pool they follow a stride-1 max over `window` that keeps the size; elsewhere
    there is no max.
    """

    window: Window | None = None

    def at(self, site: Site) -> Strategy:
        window, _ = window_at(site, self.window, None, everywhere=False)
        return replace(self, window=window)

    def reach(self, size: Sequence[int]) -> Pairs | None:
        """The reach over all components, since the image decides which one is chosen."""
        return self.reach_after(size, filter_size=1)

    def reach_after(self, size: Sequence[int], *, filter_size: int) -> Pairs:
        """The combined reach of the max, a filter of that size and the components."""
        windows = (window_reach(w, 'same', size) for w in (self.window, filter_size))
        return added_reach(*windows, ((0, self.stride - 1),) * len(size))

    def max_before(self, x: Array, fill: Fill | None = None) -> Array:
        """The max at stride 1, its border filled as `fill` says."""
        return ops.max_pool(x, window=self.window or WINDOW, stride=1, padding='same', fill=fill)


@dataclass(frozen=True)
class FilteredPolyphase(Polyphase):
    """Fields of the strategies that may blur; `padding` fills the border of max and filter."""

    filter_size: FilterSize = 1
    stride: Factor = 2
    padding: Fill = 'circular'

    def reach(self, size: Sequence[int]) -> Pairs | None:
        return self.reach_after(size, filter_size=self.filter_size)

    @property
    def filtered(self) -> dict:
        """Stride, filter and border as keyword arguments of an op."""
        return {'stride': self.stride, 'filter_size': self.filter_size, 'padding': self.padding}


@dataclass(frozen=True)
class APS(FilteredPolyphase):
    """Adaptive polyphase sampling (Chaman & Dokmanic, CVPR 2021).

    In place of a max pool it follows a stride-1 max over `window` that keeps the size, with the
    border that `padding` names; elsewhere there is no max. A shortcut takes the component that was
    chosen on the main branch. `select_on` is 'input' in the authors' networks for CIFAR and
    'blurred' in those for ImageNet.

    Authors: at every stride, the shortcut with the main branch's index (Chaman & Dokmanic 2021).
    Here: the index comes from the input, as in their code for CIFAR; their code for ImageNet takes
    it from the blurred map: `select_on='blurred'` (another index on 41% of random maps with 3
    taps).
    """

    name: ClassVar[str] = 'aps'
    CHOICE: ClassVar[ChoiceKind] = 'component'
    norm: Norm = 'l2'
    select_on: SelectOn = 'input'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        x = self.max_before(x, self.padding)
        return ops.aps_pool(x, **self.filtered, norm=self.norm, select_on=self.select_on)

    def branches(
        self, main: Array, shortcut: Array, *, train: bool, layer: nn.Module
    ) -> tuple[Array, Array]:
        index = self._index(main)
        first, second = (ops.aps_pool(x, **self.filtered, index=index) for x in (main, shortcut))
        return first, second

    def down_with_choice(
        self, x: Array, *, train: bool, layer: nn.Module
    ) -> tuple[Array, Choice | None]:
        x = self.max_before(x, self.padding)
        index = self._index(x)
        y = ops.aps_pool(x, **self.filtered, index=index)
        return y, Choice(index, {'stride': self.stride})

    def _index(self, x: Array) -> Array:
        """(batch,)."""
        seen = self if self.select_on == 'blurred' else replace(self, filter_size=1)
        return ops.aps_index(x, **seen.filtered, norm=self.norm)


@dataclass(frozen=True)
class LPS(FilteredPolyphase):
    """Learnable polyphase sampling (Rojas-Gomez et al., NeurIPS 2022); the max is that of `APS`.

    Components are scored by conv 3x3, ReLU, conv 3x3 ('kernel', 'bias', 'mixing') with circular
    borders and `hidden` features, shared by all components, then the mean; the second bias is left
    out, because it shifts all logits equally. With `mode='gumbel'` training is random.

    Unlike in the authors' code, the kernels use He initialisation (theirs torch's default, whose
    logits are 5 to 6 times closer together); `hidden` is one number (theirs 8, 16, 32, 64 from
    stage to stage, or the channels of the map); and `temperature` is constant (theirs falls in
    training, to 0.01 on ImageNet).

    With a filter and `select_on='blurred'`, the authors' default, components can tie exactly (see
    `ops.lps_logits`), so a circular network is not exactly shift-invariant; with 'input' it is.

    Authors: as APS (Rojas-Gomez 2022); torch's default kernels; hidden features 8, 16, 32, 64 or
    the channels; temperature falls, to .01 on ImageNet.
    """

    name: ClassVar[str] = 'lps'
    CHOICE: ClassVar[ChoiceKind] = 'weights'
    select_on: SelectOn = 'blurred'
    hidden: Annotated[int, Between(1, 4096)] = 16
    mode: Mode = 'gumbel'
    temperature: Annotated[float, Between(1e-3, 1e6)] = 1.0

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        x = self.max_before(x, self.padding)
        return ops.lps_pool(x, self._weights(x, train, layer), **self.filtered)

    def branches(
        self, main: Array, shortcut: Array, *, train: bool, layer: nn.Module
    ) -> tuple[Array, Array]:
        weights = self._weights(main, train, layer)
        first, second = (ops.lps_pool(x, weights, **self.filtered) for x in (main, shortcut))
        return first, second

    def down_with_choice(
        self, x: Array, *, train: bool, layer: nn.Module
    ) -> tuple[Array, Choice | None]:
        x = self.max_before(x, self.padding)
        weights = self._weights(x, train, layer)
        return ops.lps_pool(x, weights, **self.filtered), Choice(weights, {'stride': self.stride})

    def _weights(self, x: Array, train: bool, layer: nn.Module) -> Array:
        """(batch, phases)."""
        he, hidden = nn.initializers.he_normal(), self.hidden
        logits = ops.lps_logits(
            ops.lps_components(x, **self.filtered, select_on=self.select_on),
            layer.param('kernel', he, (3, 3, x.shape[-1], hidden)),
            layer.param('bias', nn.initializers.zeros, (hidden,)),
            layer.param('mixing', he, (3, 3, hidden, hidden)),
        )
        key = layer.make_rng('downsample') if train and self.mode == 'gumbel' else None
        options = {'mode': self.mode, 'temperature': self.temperature, 'key': key}
        return ops.lps_weights(logits, train=train, **options)


@dataclass(frozen=True)
class TIPS(Polyphase):
    """Translation invariant polyphase sampling (Saha & Gokhale, WACV 2025).

    In place of a max pool it follows a stride-1 max over `window` that keeps the size.

    In training it sows into the collection 'losses', where that is mutable, `mixing_weight` times
    `tips_mixing_loss` as 'mean_mixing' and `undo_weight` times `tips_undo_loss` as 'mean_undo'; the
    latter draws from the 'downsample' stream. They have an effect only if the training step adds
    'losses' to its loss; `Classifier.train_logits` takes their mean over all layers. The authors'
    loss is 0.65 task + 1 mean mixing + 0.35 mean undo; the default weights are theirs divided by
    0.65, so that the task keeps weight one. They switch on the undo loss after some epochs, ours is
    on from the start; and their networks have no max before it, whereas ours has one in place of a
    max pool unless `TIPS(window=1)`.

    Authors: at every stride, no max before it (Saha & Gokhale 2025); uniform over +-1 /
    sqrt(elements of the kernel).
    """

    name: ClassVar[str] = 'tips'
    stride: Factor = 2
    mixing_weight: LossWeight = 1 / 0.65
    undo_weight: LossWeight = 0.35 / 0.65

    def reach(self, size: Sequence[int]) -> Pairs | None:
        filled = [-n % self.stride for n in size]  # padding at the low end
        return added_reach(
            self.reach_after(size, filter_size=1), tuple((low, -low) for low in filled)
        )

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        x, channels = self.max_before(x), x.shape[-1]
        kernel = layer.param('kernel', _TIPS_START, (3, 3, 1, channels))[:, :, 0]
        scale = layer.param('scale', _TIPS_START, (1, channels))[0]
        if train and layer.is_mutable_collection('losses') and not layer.is_initializing():
            self._sow_losses(x, kernel, scale, layer)
        return ops.tips_pool(x, kernel, scale, stride=self.stride)

    def _sow_losses(self, x: Array, kernel: Array, scale: Array, layer: nn.Module) -> None:
        features = ops.tips_features(x, kernel, stride=self.stride)
        if self.mixing_weight:
            weights = ops.tips_weights(features, scale, stride=self.stride)
            layer.sow('losses', 'mean_mixing', self.mixing_weight * ops.tips_mixing_loss(weights))
        if self.undo_weight:
            filled, key = tips.tips_fill_up(x, stride=self.stride), layer.make_rng('downsample')
            loss = ops.tips_undo_loss(features, filled, key)
            layer.sow('losses', 'mean_undo', self.undo_weight * loss)


POLYPHASE = (APS, LPS, TIPS)
__all__ = [
    'APS',
    'LPS',
    'TIPS',
]
