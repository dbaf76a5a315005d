"""Projection heads and what an encoder makes of activations."""

import math

import torch
from torch import nn

from strategies.mocosfl.network import Encoder, projection_head


def test_version_one_is_linear_and_version_two_has_a_hidden_layer() -> None:
    linear, hidden = projection_head(6, 0, 4), projection_head(6, 8, 4)

    assert [type(layer) for layer in linear] == [nn.Linear]
    assert [type(layer) for layer in hidden] == [nn.Linear, nn.ReLU, nn.Linear]
    assert hidden(torch.zeros(2, 6)).shape == (2, 4)


def test_weights_start_xavier_uniform_without_bias() -> None:
    torch.manual_seed(0)
    layer = projection_head(300, 0, 200)[0]

    assert isinstance(layer, nn.Linear)
    bound = math.sqrt(6 / (300 + 200))
    assert layer.weight.abs().max() <= bound
    assert layer.weight.abs().max() > 0.99 * bound
    assert not layer.bias.any()


def test_an_encoder_gives_features_and_unit_vectors() -> None:
    encoder = Encoder(nn.Flatten(), nn.Linear(4, 2, bias=False))
    with torch.no_grad():
        encoder.head.weight.copy_(torch.tensor([[3.0, 0, 0, 0], [0, 4, 0, 0]]))
    activations = torch.ones(1, 1, 2, 2)

    assert encoder.features(activations).tolist() == [[1, 1, 1, 1]]
    # (3, 4) is 5 long.
    torch.testing.assert_close(encoder(activations), torch.tensor([[0.6, 0.8]]))
