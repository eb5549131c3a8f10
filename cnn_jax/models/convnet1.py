"""convnet1: two convolution blocks and a dense layer, the seed model of the comparison."""

from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.modules import Conv, Strategy, downsample_layers


class ConvNet1(nn.Module):
    """[conv 5x5 - batch norm - ReLU - downsample] with 16, then 32 features; dense.

    With a 28x28x1 image and a stride of 2: 28x28x16 -> 14x14x16 -> 14x14x32 -> 7x7x32 -> 10, and
    29,034 trainable parameters.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.modules import Max
    >>> model = ConvNet1(Max(), num_classes=10)
    >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
    >>> sum(p.size for p in jax.tree.leaves(variables['params']))
    29034
    """

    downsample: Strategy
    num_classes: int

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels'], *, train: bool
    ) -> Float[Array, 'batch {self.num_classes}']:
        strategy = self.downsample.at('max_pool')
        pools = downsample_layers(strategy, ['pool1', 'pool2'])
        for block, (features, pool) in enumerate(zip((16, 32), pools, strict=True), start=1):
            x = Conv(features, 5, stride=strategy.conv_stride, name=f'conv{block}')(x)
            x = nn.BatchNorm(use_running_average=not train, momentum=0.9, name=f'norm{block}')(x)
            x = nn.relu(x)
            x = pool(x, train=train)
        x = x.reshape(x.shape[0], -1)
        return nn.Dense(self.num_classes, name='dense')(x)
