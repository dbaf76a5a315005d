"""What picks a class in place of a head: scores by hand, and the way there and back."""

import pytest
import torch
from torch import nn

from strategies.common.class_table import ClassTable, distance_scores
from strategies.common.classifiers import (
    DIRECTIONS,
    FUSED,
    HEAD,
    MEANINGS,
    PROTOTYPES,
    DirectionClassifier,
    FusedClassifier,
    PrototypeClassifier,
    built_around,
    kind_of,
)
from strategies.common.model import FeatureModel


def model() -> FeatureModel:
    """Return a model whose features are its inputs."""
    return FeatureModel(nn.Identity(), body_width=2, feature_dim=2, num_classes=3)


def wide(width: int) -> FeatureModel:
    """Return a model whose features are its inputs, over and over."""
    return FeatureModel(nn.Identity(), body_width=2, feature_dim=width, num_classes=3)


def test_fused_features_are_a_projection_of_both() -> None:
    projection, own = nn.Linear(2 + 2, 2, bias=False), model()
    with torch.no_grad():
        # The first of the model beside, and the sum of the client's own two.
        projection.weight.copy_(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]))
    fused = FusedClassifier(own, model(), projection)
    features = fused.features(torch.tensor([[3.0, 4.0]]))
    assert torch.equal(features, torch.tensor([[3.0, 7.0]]))
    assert torch.equal(fused(torch.tensor([[3.0, 4.0]])), own.head(features))


def test_cosines_with_directions_are_scores() -> None:
    projection = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        projection.weight.copy_(torch.eye(2))
    directions = 10 * torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    found = DirectionClassifier(model(), projection, directions)(torch.tensor([[3.0, 4.0]]))
    # (3, 4) has length 5, so the cosines are 0.6, 0.8 and -0.6.
    assert torch.allclose(found, torch.tensor([[6.0, 8.0, -6.0]]))


def test_nearness_to_prototypes_is_that_of_a_table() -> None:
    rows = torch.tensor([[0.0, 0.0], [9.0, 9.0], [1.0, 0.0]])
    table = ClassTable(rows, torch.tensor([True, False, True]))
    inputs = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    found = PrototypeClassifier.of(model(), table)(inputs)
    # Squared distances 0 and 1, then 4 and 1, counted from the nearest; unknown is one beyond.
    assert torch.equal(found, torch.tensor([[0.0, -2.0, -1.0], [-3.0, -4.0, 0.0]]))
    assert torch.equal(found, distance_scores(inputs, table))


@pytest.mark.parametrize("kind", MEANINGS)
def test_each_kind_is_built_again_from_its_tensors(kind: str) -> None:
    table = ClassTable(torch.rand(3, 2), torch.tensor([True, False, True]))
    made = {
        HEAD: model(),
        DIRECTIONS: DirectionClassifier(model(), nn.Linear(2, 4), torch.rand(3, 4)),
        PROTOTYPES: PrototypeClassifier.of(model(), table),
        FUSED: FusedClassifier(model(), wide(5), nn.Linear(5 + 2, 2)),
    }[kind]
    assert kind_of(made) == kind  # type: ignore[arg-type]
    again = built_around(model(), kind, made.state_dict(), wide)
    again.load_state_dict(made.state_dict())
    inputs = torch.rand(5, 2)
    assert torch.equal(again(inputs), made(inputs))


def test_no_other_kind_is_known() -> None:
    with pytest.raises(KeyError, match="other"):
        built_around(model(), "other", {}, wide)
