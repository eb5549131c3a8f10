"""A PyTorch model can be measured by the same functions."""

import jax
import numpy as np
import torch

from cnn_jax.evaluation import predict_logits, shift_consistency


def test_a_torch_model_in_a_lambda():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3, stride=2), torch.nn.Flatten())
    net.append(torch.nn.Linear(45, 4))
    images = np.random.default_rng(0).random((20, 8, 8, 3)).astype(np.float32)

    def predict(x):
        return net(torch.tensor(np.asarray(x)).permute(0, 3, 1, 2)).detach()

    with torch.no_grad():
        expected = net(torch.tensor(images).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(predict_logits(predict, images, batch_size=6), expected, atol=1e-6)
    same = shift_consistency(predict, images, key=jax.random.key(0), max_shift=2)
    assert same.shape == (20,) and 0 < same.mean() < 1
