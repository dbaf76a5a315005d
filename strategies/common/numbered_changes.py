"""A model that travels as its last change, to whoever has the one before; to others as a whole.

It is the one that clients have alike beside their own, and what travels are factors. Both sides
number it, so that no client takes a change for one of the model that it has.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, TypeVar, cast, final

import torch
from torch import Tensor, nn

from strategies.common.agreed import Agreed, Need
from strategies.common.errors import WireError
from strategies.common.low_rank import Factors
from strategies.common.magnitudes import Size, together
from strategies.common.message import MessageServer
from strategies.common.method import MethodSettings
from strategies.common.payload import Sizes, payload_base, tensor
from strategies.common.payloads import numbers_of, put_numbers
from strategies.common.round import Reply
from strategies.common.wire import as_sent


def first_number() -> Tensor:
    """Return the number (one,) int64 of the model that a run begins with: 1."""
    return torch.ones(1, dtype=torch.int64)


@payload_base
class NumberedFactors(Factors):
    """A change of the model, or the whole of it: 16 bytes more than its factors.

    Attributes
    ----------
    base, number : Tensor
        (one,) int64, number of the model that is to be changed, 0 if the whole one travels; and
        of the one that comes of it.
    """

    base: Tensor = tensor("int64", "one", low=0)
    number: Tensor = tensor("int64", "one", low=1)

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return the sizes of factors, and one of each number."""
        sizes = super().sizes(agreed)
        return replace(sizes, exact={**sizes.exact, "one": 1})

    def into(self, model: nn.Module, number: Tensor, agreed: Agreed) -> Tensor:
        """Change a model, or replace its numbers by those of the whole one.

        Parameters
        ----------
        model : nn.Module
            As it came last, or as the run begins.
        number : Tensor
            (one,) int64, which one that is.
        agreed : Agreed
            Of which the model is the one beside.

        Returns
        -------
        Tensor
            (one,) int64, which one it is now.

        Raises
        ------
        WireError
            If it is a change of another one.
        """
        parameters = self.restored(agreed)
        if self.base:
            if self.base != number:
                name = self.schema.rpartition(".")[2]
                raise WireError(
                    f"server: {self.schema}.base: expected a change of {name} {int(number)}, which "
                    f"this client has, got one of {name} {int(self.base)}; the next round brings "
                    f"the whole"
                )
            parameters = numbers_of(model)[0].cpu() + parameters
        put_numbers(model, parameters, self.statistics)
        return self.number


@final
@dataclass
class NumberedModel:
    """The model on the server, and what makes it of the one before.

    Attributes
    ----------
    parameters, statistics : Tensor
        (parameters,) and (statistics,) float.
    numbers, ranks : Tensor
        As ``Factors`` has them: the last change, or the model itself; none before the first.
    number : Tensor
        (1,) int64, which model it is: 1 at first.
    holders : Tensor
        (clients,) int64 partitions that have the one before.
    """

    parameters: Tensor
    statistics: Tensor
    numbers: Tensor = field(default_factory=lambda: torch.zeros(0))
    ranks: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    number: Tensor = field(default_factory=first_number)
    holders: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))


Told = TypeVar("Told", bound=NumberedFactors)
Sent = TypeVar("Sent", bound=Factors)


class NumberedChangesServer(
    MessageServer[MethodSettings, NumberedModel, Told, Sent], Generic[MethodSettings, Told, Sent]
):
    """Tells clients what makes their model the next one.

    A method makes factors of what came, and hands them to :meth:`take`.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MODELS})

    @abstractmethod
    def are_changes(self) -> bool:
        """Tell whether factors, up and down, are of a change; or else of the model itself."""

    def start(self) -> NumberedModel:
        """Return the model that all begin with."""
        return NumberedModel(*numbers_of(self.provided.build_beside()))

    def gone_back(self, state: NumberedModel) -> None:
        """Take nobody to have the model before: the next round brings all the whole one."""
        state.holders = state.holders[:0]

    def personal(self, state: NumberedModel, partition: int) -> Told | None:
        """Return the last change for who has what it is of; for others the whole model."""
        if not len(state.ranks):
            return None
        numbers, ranks, base = state.numbers, state.ranks, torch.zeros_like(state.number)
        if self.are_changes():
            if partition in state.holders.tolist():
                base = state.number - 1
            else:
                numbers, ranks = state.parameters, torch.zeros_like(ranks)
        kind = cast(type[Told], self.wire.down)
        return kind(numbers, ranks, state.statistics, base, state.number)

    def magnitudes(self, state: NumberedModel, reply: Reply[Sent]) -> Mapping[str, Size]:
        """Return how large the change is that factors stand for."""
        before = 0.0 if self.are_changes() else state.parameters
        change = reply.uplink.restored(self.agreed) - before
        return {"numbers": together(change)}

    def take(self, state: NumberedModel, made: Factors, replies: Sequence[Reply[Any]]) -> None:
        """Go on to the model that factors make of this one, which all who replied have.

        Factors count as they will arrive, so that the server's model is the clients'.
        """
        arriving = replace(made, numbers=as_sent(made.numbers, self.agreed.run.wire_dtype))
        state.numbers, state.ranks, state.statistics = arriving.numbers, made.ranks, made.statistics
        moved = arriving.restored(self.agreed)
        state.parameters = state.parameters + moved if self.are_changes() else moved
        state.number = state.number + 1
        state.holders = torch.tensor([reply.partition for reply in replies], dtype=torch.int64)
