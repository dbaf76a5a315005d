"""Servers that average models of one architecture, or a part that all models have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, TypeVar, cast

from torch import Tensor

from strategies.common.architecture import Architecture
from strategies.common.averaging import average
from strategies.common.errors import ModelError
from strategies.common.magnitudes import UNLIKE_FACTOR, Size, sizes_of
from strategies.common.message import MessageServer
from strategies.common.method import MethodSettings
from strategies.common.payload import rules_of
from strategies.common.payloads import WholeModel
from strategies.common.round import Aggregated, Reply

Mean = TypeVar("Mean", bound=WholeModel)
Sent = TypeVar("Sent", bound=WholeModel)


@dataclass
class GroupMeans:
    """The mean of each architecture, of the last round in which it had replies.

    Fields are called as those of the payload that they go into.

    Attributes
    ----------
    parameters, statistics : dict[str, Tensor]
        By the group's key.
    """

    parameters: dict[str, Tensor] = field(default_factory=dict)
    statistics: dict[str, Tensor] = field(default_factory=dict)


AnyMeans = TypeVar("AnyMeans", bound=GroupMeans)


class GroupAveragingServer(
    MessageServer[MethodSettings, AnyMeans, Mean, Sent],
    Generic[MethodSettings, AnyMeans, Mean, Sent],
):
    """Averages what travels of models, group by group."""

    state: ClassVar[type[Any]] = GroupMeans
    # What clients can do of whom no two are alike, for the error.
    for_unlike: ClassVar[str] = "choose a method for unlike models"

    def held(self, architecture: Architecture) -> Architecture:
        """Return what travels of a client's model: all of it, or a part that others have too."""
        kind = cast(type[Sent], self.wire.up)
        return kind.held(replace(self.agreed, architecture=architecture))

    def weight(self, reply: Reply[Sent]) -> float:
        """Return how much a client weighs in its group: by default by its training samples."""
        return float(reply.samples)

    def check_clients(self, architectures: Mapping[int, Architecture]) -> None:
        """Refuse clients of which no two have the same architecture."""
        if 1 < len(architectures) == len({self.held(one).key for one in architectures.values()}):
            raise ModelError(
                f"{self.provided.run.method}: expected at least two clients with models of one "
                f"architecture, which can be averaged, got {len(architectures)} clients with as "
                f"many architectures; name fewer models, or {self.for_unlike}"
            )

    def shared(self, state: AnyMeans, architecture: Architecture) -> Mean | None:
        """Return the mean of an architecture, once it has one."""
        key, kind = self.held(architecture).key, cast(type[Mean], self.wire.down)
        if key not in state.parameters:
            return None
        kept = {name: getattr(state, name) for name in rules_of(kind)}
        # What is not each group's own is all groups'.
        return kind(**{n: own[key] if isinstance(own, dict) else own for n, own in kept.items()})

    def magnitudes(self, state: AnyMeans, reply: Reply[Sent]) -> Mapping[str, Size]:
        """Return how far weights are from the group's mean: unlike models differ more."""
        held = self.held(reply.architecture)
        sent = {"parameters": state.parameters.get(held.key)}
        if held != reply.architecture:
            return sizes_of(reply.uplink, sent, factor=UNLIKE_FACTOR)
        sizes = sizes_of(reply.uplink, sent)
        return {name: size.of_whole_model() for name, size in sizes.items()}

    def aggregate(
        self, state: AnyMeans, round_number: int, replies: Sequence[Reply[Sent]]
    ) -> Aggregated:
        """Average each group that replied; tell how far clients are apart, and who is alone."""
        groups: dict[str, list[Reply[Sent]]] = {}
        for reply in replies:
            groups.setdefault(self.held(reply.architecture).key, []).append(reply)
        drifts = []
        for key, own in groups.items():
            weights = [self.weight(reply) for reply in own]
            sent = [reply.uplink for reply in own]
            mean = state.parameters[key] = average([one.parameters for one in sent], weights)
            state.statistics[key] = average([one.statistics for one in sent], weights)
            drifts += [float((one.parameters - mean).square().mean().sqrt()) for one in sent]
        alone = sorted(own[0].partition for own in groups.values() if len(own) == 1)
        notes = [
            f"{self.provided.run.method}: client {client} was alone with its architecture and "
            f"learnt from nobody"
            for client in (alone if len(replies) > 1 else ())
        ]
        drift = {"client_drift": sum(drifts) / len(drifts)} if drifts else {}
        return Aggregated(drift, tuple(notes))
