"""What a client classifies with, whole: a network and whatever picks a class from its features.

A method of one message per round says by which of these its clients are tested, and the same one
leaves the device when a client is exported.
"""

from collections.abc import Callable, Mapping
from typing import Final, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.channel_scale import Normalised
from strategies.common.class_table import ClassTable, scores_of_distances, scores_of_known
from strategies.common.model import FeatureModel


@final
class DirectionClassifier(nn.Module):
    """Scores classes by the cosine of projected features with fixed directions.

    The model's own head is not used.

    Parameters
    ----------
    model : FeatureModel
        Gives features.
    projection : nn.Linear
        From features to the space of the directions.
    directions : Tensor
        (class, width), each as long as the factor on its cosine.
    """

    directions: Tensor

    def __init__(self, model: FeatureModel, projection: nn.Linear, directions: Tensor) -> None:
        super().__init__()
        self.model = model
        self.projection = projection
        self.register_buffer("directions", directions)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the scores of prepared inputs: (batch, class)."""
        projected = functional.normalize(self.projection(self.model.features(inputs)))
        return projected @ self.directions.T


@final
class PrototypeClassifier(nn.Module):
    """Scores classes by the nearness of features to prototypes, as ``distance_scores`` does.

    The model's own head is not used.

    Parameters
    ----------
    model : FeatureModel
        Gives features.
    prototypes : Tensor
        (known, feature), at least one.
    places : Tensor
        (known,) int64; class of each prototype.
    """

    prototypes: Tensor
    places: Tensor

    def __init__(self, model: FeatureModel, prototypes: Tensor, places: Tensor) -> None:
        super().__init__()
        self.model = model
        self.num_classes = model.head.out_features
        self.register_buffer("prototypes", prototypes)
        self.register_buffer("places", places)

    @staticmethod
    def of(model: FeatureModel, table: ClassTable) -> "PrototypeClassifier":
        """Return what classifies by the classes that a table knows."""
        known = table.known.nonzero().flatten()
        return PrototypeClassifier(model, table.rows[known], known)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the scores of prepared inputs: (batch, class), at most 0."""
        features = self.model.features(inputs)
        return scores_of_known(features, self.prototypes, self.places, self.num_classes)


@final
class _PlainDistances(nn.Module):
    """The same classifier in operators that converters know, up to rounding."""

    def __init__(self, classifier: PrototypeClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the scores of prepared inputs: (batch, class)."""
        own = self.classifier
        apart = own.model.features(inputs)[:, None] - own.prototypes  # (batch, known, feature)
        return scores_of_distances(apart.square().sum(2), own.places, own.num_classes)


@final
class FusedClassifier(nn.Module):
    """Scores classes by the model's head on a projection of its features and another model's.

    Parameters
    ----------
    model, beside : FeatureModel
        The client's own, whose head classifies, and the one beside it, whose head does not.
    projection : nn.Linear
        From the features of ``beside`` and of ``model``, in this order, to as many as ``model``
        has.
    """

    def __init__(self, model: FeatureModel, beside: FeatureModel, projection: nn.Linear) -> None:
        super().__init__()
        self.model = model
        self.beside = beside
        self.projection = projection

    def features(self, inputs: Tensor) -> Tensor:
        """Return the fused features of prepared inputs: (batch, feature)."""
        both = torch.cat([self.beside.features(inputs), self.model.features(inputs)], dim=1)
        fused: Tensor = self.projection(both)
        return fused

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits of prepared inputs: (batch, class)."""
        logits: Tensor = self.model.head(self.features(inputs))
        return logits


def convertible(network: nn.Module) -> nn.Module:
    """Return a network as programs that convert networks can read it."""
    if isinstance(network, Normalised):
        return Normalised(network.scale, convertible(network.network))
    return _PlainDistances(network) if isinstance(network, PrototypeClassifier) else network


Classifier = FeatureModel | DirectionClassifier | PrototypeClassifier | FusedClassifier
# Builds a model whose features have a width.
Other = Callable[[int], FeatureModel]

HEAD: Final = "head"
DIRECTIONS: Final = "directions"
PROTOTYPES: Final = "prototypes"
FUSED: Final = "fused"
# How each picks a class, in words.
MEANINGS: Final[Mapping[str, str]] = {
    HEAD: "the largest logit of the model's head",
    DIRECTIONS: "the largest cosine with a class direction",
    PROTOTYPES: "the nearest prototype",
    FUSED: "the largest logit of the model's head on features of two models",
}


def kind_of(classifier: Classifier) -> str:
    """Return by what a classifier picks a class."""
    match classifier:
        case DirectionClassifier():
            return DIRECTIONS
        case PrototypeClassifier():
            return PROTOTYPES
        case FusedClassifier():
            return FUSED
    return HEAD


def built_around(
    model: FeatureModel, kind: str, tensors: Mapping[str, Tensor], other: Other
) -> Classifier:
    """Return a classifier of a kind whose tensors are yet to be loaded.

    Parameters
    ----------
    model : FeatureModel
        As it was built.
    kind : str
        As :func:`kind_of` has it.
    tensors : Mapping[str, Tensor]
        Its state by name, from which sizes are taken.
    other : Callable[[int], FeatureModel]
        Builds the model that stands beside it, where the kind has one.

    Raises
    ------
    KeyError
        If there is no such kind, or a tensor is missing that it is made of.
    """
    if kind == HEAD:
        return model
    if kind == DIRECTIONS:
        width, features = tensors["projection.weight"].shape
        empty = torch.zeros_like(tensors["directions"])
        return DirectionClassifier(model, nn.Linear(features, width), empty)
    if kind == PROTOTYPES:
        rows, places = (torch.zeros_like(tensors[name]) for name in ("prototypes", "places"))
        return PrototypeClassifier(model, rows, places)
    if kind == FUSED:
        width, both = tensors["projection.weight"].shape
        return FusedClassifier(model, other(both - width), nn.Linear(both, width))
    raise KeyError(kind)
