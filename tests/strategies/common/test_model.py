"""Bodies of any width meet at one common width, without parameters of their own."""

import pytest
import torch
from torch import Tensor, nn

from strategies.common.model import FeatureModel


class Flat(nn.Module):
    """Hands its inputs through: the features are the pixels."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)


def model(width: int, feature_dim: int) -> FeatureModel:
    return FeatureModel(Flat(), body_width=width, feature_dim=feature_dim, num_classes=3)


def features(width: int, feature_dim: int) -> list[float]:
    inputs = torch.arange(1.0, width + 1).reshape(1, 1, 1, width)
    row: list[float] = model(width, feature_dim).features(inputs)[0].tolist()
    return row


@pytest.mark.parametrize(
    ("width", "feature_dim", "expected"),
    [
        (4, 0, [1.0, 2.0, 3.0, 4.0]),
        (4, 4, [1.0, 2.0, 3.0, 4.0]),
        (6, 3, [1.5, 3.5, 5.5]),  # means of neighbours
        (2, 4, [1.0, 1.0, 2.0, 2.0]),  # entries repeated
        # Bins of 5 over 3: floor(5i/3) to ceil(5(i+1)/3), i.e. 0-2, 1-4 and 3-5.
        (5, 3, [1.5, 3.0, 4.5]),
    ],
)
def test_features_are_pooled_to_the_common_width(
    width: int, feature_dim: int, expected: list[float]
) -> None:
    assert features(width, feature_dim) == pytest.approx(expected)


def test_the_width_is_stated() -> None:
    assert model(6, 0).feature_dim == 6
    assert model(6, 3).feature_dim == 3
    assert model(6, 3).head.in_features == 3


def test_pooling_adds_no_parameter() -> None:
    assert set(model(6, 3).state_dict()) == {"head.weight", "head.bias"}


def test_logits_are_the_head_over_the_features() -> None:
    pooled = model(6, 3)
    with torch.no_grad():
        pooled.head.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 1, 1]]))
        pooled.head.bias.copy_(torch.tensor([0.0, 10.0, 0.0]))
    inputs = torch.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    # Features 1.5, 3.5, 5.5; their sum is 10.5.
    assert pooled(inputs)[0].tolist() == pytest.approx([1.5, 13.5, 10.5])
    assert torch.equal(pooled(inputs), pooled.head(pooled.features(inputs)))


def test_gradients_reach_the_inputs_through_the_pool() -> None:
    inputs = torch.zeros(1, 1, 1, 6, requires_grad=True)
    model(6, 3).features(inputs).sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.flatten().tolist() == pytest.approx([0.5] * 6)
