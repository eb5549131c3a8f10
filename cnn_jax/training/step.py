"""The train step: the one place where training is compiled."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, UInt8

from cnn_jax.models import Classifier
from cnn_jax.streams import Stream, stream_key
from cnn_jax.training.augment import Augment, OwnAugment, augment_images
from cnn_jax.training.state import EpochSums, TrainState

TrainStep = jax.stages.Wrapped  # step(state, sums, images, labels, order, key)


def cross_entropy(
    logits: Float[Array, 'batch classes'], labels: Int[Array, 'batch'], *, smoothing: float = 0.0
) -> Float[Array, 'batch']:
    """Cross-entropy of each example, in nats, with `smoothing` spread over all classes.

    >>> float(cross_entropy(jnp.zeros((1, 4)), jnp.array([2]))[0]).__round__(4)  # log 4
    1.3863
    """
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), smoothing)
    return optax.softmax_cross_entropy(logits, targets)


def make_train_step(
    classifier: Classifier,
    optimizer: optax.GradientTransformation,
    *,
    augment: Augment | OwnAugment,
    label_smoothing: float = 0.0,
) -> TrainStep:
    """A compiled `step(state, sums, images, labels, order, key) -> (state, sums)`.

    `images` (uint8) and `labels` are the whole training split, on the device; `order` is the
    epoch's `epoch_order`; the step takes the row that `state.step` says. `state` and `sums` are
    donated: use the returned ones. `key` is `jax.random.key(seed)`, the same at every step, so
    one compiled step serves every seed.
    """

    def step(
        state: TrainState,
        sums: EpochSums,
        images: UInt8[Array, 'examples height width channels'],
        labels: Int[Array, 'examples'],
        order: Int[Array, 'steps batch'],
        key: Key[Array, ''],
    ) -> tuple[TrainState, EpochSums]:
        index = order[state.step % order.shape[0]]
        batch = augment_images(stream_key(key, Stream.AUGMENT, state.step), images[index], augment)
        targets = labels[index]
        model_key = stream_key(key, Stream.MODEL, state.step)

        def mean_loss(params):
            variables = {'params': params, 'batch_stats': state.batch_stats}
            logits, batch_stats, added = classifier.train_logits(variables, batch, model_key)
            losses = cross_entropy(logits, targets, smoothing=label_smoothing)
            return losses.mean() + added, (batch_stats, logits)

        (loss, (batch_stats, logits)), grads = jax.value_and_grad(mean_loss, has_aux=True)(
            state.params
        )
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        size = targets.shape[0]
        good = jnp.isfinite(loss) | (sums.first_bad_step >= 0)
        sums = EpochSums(
            loss=sums.loss + loss * size,
            correct=sums.correct + jnp.sum(logits.argmax(-1) == targets, dtype=jnp.int32),
            count=sums.count + size,
            first_bad_step=jnp.where(good, sums.first_bad_step, state.step + 1),
        )
        state = TrainState(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            batch_stats=batch_stats,
            opt_state=opt_state,
        )
        return state, sums

    return jax.jit(step, donate_argnums=(0, 1))
