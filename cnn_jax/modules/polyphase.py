"""Learned polyphase sampling with parameters: LPS and TIPS."""

from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.ops import learned_polyphase as lps
from cnn_jax.ops import tips
from cnn_jax.ops.phases import SelectOn
from cnn_jax.ops.windows import Fill

# Uniform over +-1 / sqrt(elements of the kernel), as the authors' code has by default.
_TIPS_INIT = nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform')


MIXING_WEIGHT, UNDO_WEIGHT = 1 / 0.65, 0.35 / 0.65  # of TIPS, to a task of weight one


class LPSWeights(nn.Module):
    """`lps_weights` of a scorer of the components (Rojas-Gomez et al., NeurIPS 2022).

    The scorer is conv 3x3, ReLU, conv 3x3 with circular borders and `hidden` features, shared by
    all components, then the mean. Its second bias is left out: it moves all logits alike. With
    `mode='gumbel'` training draws from the 'downsample' stream.

    Unlike the authors' code: the kernels start by He's rule (there torch's default, whose logits
    are 5 to 6 times closer together); `hidden` is one number (there 8, 16, 32, 64 from stage to
    stage, or the channels of the map); and `temperature` is constant (there it falls in training,
    to 0.01 on ImageNet).

    >>> import jax
    >>> x = jax.numpy.ones((2, 8, 8, 3))
    >>> scorer = LPSWeights(hidden=4)
    >>> weights, variables = scorer.init_with_output(jax.random.key(0), x, train=False)
    >>> weights.shape, variables['params']['mixing'].shape
    ((2, 4), (3, 3, 4, 4))
    """

    hidden: int = 16
    stride: int = 2
    filter_size: int = 1
    padding: Fill = 'circular'
    select_on: SelectOn = 'blurred'
    mode: lps.Mode = 'gumbel'
    temperature: float = 1.0

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels'], *, train: bool
    ) -> Float[Array, 'batch phases']:
        he = nn.initializers.he_normal()
        components = lps.lps_components(
            x,
            stride=self.stride,
            filter_size=self.filter_size,
            padding=self.padding,
            select_on=self.select_on,
        )
        logits = lps.lps_logits(
            components,
            self.param('kernel', he, (3, 3, x.shape[-1], self.hidden)),
            self.param('bias', nn.initializers.zeros, (self.hidden,)),
            self.param('mixing', he, (3, 3, self.hidden, self.hidden)),
        )
        draws = train and self.mode == 'gumbel'
        return lps.lps_weights(
            logits,
            train=train,
            mode=self.mode,
            temperature=self.temperature,
            key=self.make_rng('downsample') if draws else None,
        )


class TIPSPool(nn.Module):
    """`tips_pool` with its kernels (Saha & Gokhale, WACV 2025).

    In training it sows into the collection 'losses', where that is mutable, `mixing_weight` times
    `tips_mixing_loss` as 'mean_mixing' and `undo_weight` times `tips_undo_loss` as 'mean_undo'; the
    second draws from the 'downsample' stream. They count only where the training step adds
    'losses' to its loss, of which `Classifier.train_logits` takes the mean over all layers. The
    authors' loss is 0.65 task + 1 mean mixing + 0.35 mean undo; the default weights are theirs over
    0.65, so that the task keeps weight one. Theirs starts the second after a number of epochs, ours
    at once; and their networks have no max before it, which a max pool's place here has unless
    `TIPS(window=1)`.

    >>> import jax
    >>> x = jax.numpy.ones((2, 8, 8, 3))
    >>> y, variables = TIPSPool().init_with_output(jax.random.key(0), x, train=False)
    >>> y.shape, variables['params']['kernel'].shape, variables['params']['scale'].shape
    ((2, 4, 4, 3), (3, 3, 1, 3), (1, 3))
    """

    stride: int = 2
    mixing_weight: float = MIXING_WEIGHT
    undo_weight: float = UNDO_WEIGHT

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels'], *, train: bool
    ) -> Float[Array, 'batch out_height out_width channels']:
        channels = x.shape[-1]
        kernel = self.param('kernel', _TIPS_INIT, (3, 3, 1, channels))[:, :, 0]
        scale = self.param('scale', _TIPS_INIT, (1, channels))[0]
        if train and self.is_mutable_collection('losses') and not self.is_initializing():
            self._sow_losses(x, kernel, scale)
        return tips.tips_pool(x, kernel, scale, stride=self.stride)

    def _sow_losses(self, x: Array, kernel: Array, scale: Array) -> None:
        features = tips.tips_features(x, kernel, stride=self.stride)
        if self.mixing_weight:
            weights = tips.tips_weights(features, scale, stride=self.stride)
            self.sow('losses', 'mean_mixing', self.mixing_weight * tips.tips_mixing_loss(weights))
        if self.undo_weight:
            filled, key = tips.tips_fill_up(x, stride=self.stride), self.make_rng('downsample')
            loss = tips.tips_undo_loss(features, filled, key)
            self.sow('losses', 'mean_undo', self.undo_weight * loss)
