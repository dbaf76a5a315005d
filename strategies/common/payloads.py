"""What several methods send: rows by class, and the weights of a part of a model."""

from abc import abstractmethod
from typing import Self, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from strategies.common import seeds
from strategies.common.agreed import Agreed
from strategies.common.architecture import Architecture, statistics_of
from strategies.common.distributions import unlike_distributions
from strategies.common.payload import (
    Payload,
    Sizes,
    class_bounds,
    labels,
    payload_base,
    sample_counts,
    tensor,
    unsent,
)

AnyModule = TypeVar("AnyModule", bound=nn.Module)
AnyWeights = TypeVar("AnyWeights", bound="Weights")
AnyWholeModel = TypeVar("AnyWholeModel", bound="WholeModel")


@payload_base
class ClassRows(Payload):
    """One row for each class that its sender has something to say of: ``4pw + 8p`` bytes.

    p stands for the classes present and w for the width of a row. A method derives from it,
    names schema and width and says what the rows reveal.

    Attributes
    ----------
    rows : Tensor
        (present, width) float.
    labels : Tensor
        (present,) int64; class of each row. What is absent has no row.
    """

    rows: Tensor = tensor("float", "present", "width", means="statistics")
    labels: Tensor = labels("present")

    @classmethod
    @abstractmethod
    def width(cls, agreed: Agreed) -> int:
        """Return the length of a row."""

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return one row per class at most."""
        exact, absent = {"width": cls.width(agreed)}, unsent(cls, agreed.settings)
        return Sizes(exact, class_bounds(cls, agreed), absent)


@payload_base
class FeatureRows(ClassRows):
    """Rows as wide as the features that all clients' models are pooled to."""

    @classmethod
    def width(cls, agreed: Agreed) -> int:
        """Return the width of all clients' features."""
        return agreed.feature_dim


@payload_base
class CountedRows(FeatureRows):
    """Such rows of a method that may weigh them: ``8p`` bytes more, where it does.

    Attributes
    ----------
    counts : Tensor | None
        (present,) int64 training samples behind each row; absent unless the method's setting
        ``aggregation`` is ``"counts"``.
    """

    counts: Tensor | None = sample_counts("present", travels_with=("aggregation", "counts"))


@payload_base
class SoftRows(ClassRows):
    """Rows that are distributions over the classes of the task."""

    compared = False

    @classmethod
    def width(cls, agreed: Agreed) -> int:
        """Return the number of classes."""
        return agreed.task.num_classes

    def fault(self, agreed: Agreed) -> str | None:  # noqa: ARG002
        """Refuse rows that are no distributions, such as logits."""
        return unlike_distributions(self.rows, lambda row: f"class {int(self.labels[row])}")


@payload_base
class Weights(Payload):
    """The parameters of a part of a model as one vector: ``4P`` bytes.

    A method derives from it and names the part, from which both sides know the exact length.

    Attributes
    ----------
    parameters : Tensor
        (parameters,) float, in the order of ``nn.Module.parameters``.
    """

    parameters: Tensor = tensor("float", "parameters", means="weights")

    @classmethod
    @abstractmethod
    def part(cls, agreed: Agreed) -> nn.Module:
        """Return a module of the same structure; its numbers do not matter.

        It is built on torch's meta device, where it takes neither memory nor randomness.
        """

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return the number of the part's parameters."""
        return Sizes({"parameters": Architecture.planned(lambda: cls.part(agreed)).parameters})

    @classmethod
    def of(cls: type[AnyWeights], module: nn.Module) -> AnyWeights:
        """Return the parameters of a module."""
        return cls(parameters_to_vector(module.parameters()).detach())

    def into(self, module: nn.Module) -> None:
        """Put the parameters into a module of the same structure."""
        like = next(module.parameters())
        with torch.no_grad():
            vector_to_parameters(self.parameters.to(like, copy=True), module.parameters())


@payload_base
class HeadWeights(Weights):
    """The last layer, which maps features of one width to classes: ``4C(d + 1)`` bytes."""

    @classmethod
    def part(cls, agreed: Agreed) -> nn.Module:
        """Return a layer of the task's size."""
        return nn.Linear(agreed.feature_dim, agreed.task.num_classes)

    @classmethod
    def first(cls, agreed: Agreed) -> Self:
        """Return a fresh layer, drawn from the run's seed: one for all clients."""
        with seeds.seeded(seeds.derive(agreed.run.seed, "head")):
            return cls.of(cls.part(agreed))


@payload_base
class WholeModel(Payload):
    """All of a model, by default of a client's own: ``4(P + S)`` bytes.

    P stands for its parameters and S for its statistics. A method derives from it, names the
    schema and says what the numbers reveal. It may add labels, each class at most once.

    Attributes
    ----------
    parameters : Tensor
        (parameters,) float, in the order of ``nn.Module.parameters``.
    statistics : Tensor
        (statistics,) float, what the model measures while it trains, in the order of
        :func:`strategies.common.architecture.statistics_of`.
    """

    follows_model = True

    parameters: Tensor = tensor("float", "parameters", means="weights")
    statistics: Tensor = tensor("float", "statistics", means="statistics")

    @classmethod
    def held(cls, agreed: Agreed) -> Architecture:
        """Return what the model holds whose numbers travel."""
        return agreed.architecture

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return how much that is."""
        held = cls.held(agreed)
        exact = {"parameters": held.parameters, "statistics": held.statistics}
        return Sizes(exact, class_bounds(cls, agreed))

    @classmethod
    def of(cls: type[AnyWholeModel], model: nn.Module, **others: Tensor) -> AnyWholeModel:
        """Return what a model, or a part of one, holds; others are fields of the method's own."""
        parameters, statistics = numbers_of(model)
        return cls(parameters=parameters, statistics=statistics, **others)

    def into(self, model: AnyModule) -> AnyModule:
        """Put the numbers into a model of the same architecture, and return it."""
        return put_numbers(model, self.parameters, self.statistics)

    def fault(self, agreed: Agreed) -> str | None:
        """Refuse what no such model can have measured."""
        return self.held(agreed).fault_in(self.statistics)


@payload_base
class AuxiliaryModel(WholeModel):
    """A model that all clients have alike beside their own, of a setting's name: ``4(P + S)``."""

    follows_model = False

    @classmethod
    def held(cls, agreed: Agreed) -> Architecture:
        """Return what the model holds that the settings name."""
        return agreed.beside


def numbers_of(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Return a model's parameters (parameters,) and what it measured (statistics,)."""
    statistics = [value.flatten() for value in statistics_of(model)]
    parameters = parameters_to_vector(model.parameters()).detach()
    return parameters, torch.cat([parameters[:0], *statistics])


def put_numbers(model: AnyModule, parameters: Tensor, statistics: Tensor) -> AnyModule:
    """Put what :func:`numbers_of` returned into a model of the same architecture; return it."""
    like = next(model.parameters())
    kept = list(statistics_of(model))
    with torch.no_grad():
        # Parameters become views of the vector, which must not change while they are trained.
        vector_to_parameters(parameters.to(like, copy=True), model.parameters())
        parts = torch.split(statistics.to(like), [value.numel() for value in kept])
        for value, part in zip(kept, parts, strict=True):
            value.copy_(part.view_as(value))
    return model
