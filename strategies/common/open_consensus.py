"""Servers that make one answer of what all clients said of open data."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar, cast

import torch
from torch import Tensor

from strategies.common.message import MessageServer
from strategies.common.open_settings import AnyOpenSettings
from strategies.common.payloads import OpenAnswers, OpenConsensus
from strategies.common.presentation import Measured
from strategies.common.round import Aggregated, Reply

Told = TypeVar("Told", bound=OpenConsensus)
Said = TypeVar("Said", bound=OpenAnswers)

AGREEMENT = Measured(
    "Open samples on which a client agrees with all",
    {"agreement": "agreement"},
    "Good: rising, and near 1.",
    share=True,
)


@dataclass
class ConsensusState:
    """What the answers of the last round came to.

    Attributes
    ----------
    rows : Tensor
        (open, class); without rows before the first round.
    round : Tensor
        (1,) int64, that round; 0 for none.
    """

    rows: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    round: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.int64))


AnyConsensus = TypeVar("AnyConsensus", bound=ConsensusState)


class ConsensusServer(
    MessageServer[AnyOpenSettings, AnyConsensus, Told, Said],
    Generic[AnyOpenSettings, AnyConsensus, Told, Said],
):
    """Tells all clients what the answers of the round before came to."""

    state: ClassVar[type[Any]] = ConsensusState

    @abstractmethod
    def together(self, said: Sequence[Tensor], samples: Sequence[int]) -> tuple[Tensor, Aggregated]:
        """Make one of all answers, and return it with what is measured beside the agreement.

        Parameters
        ----------
        said : Sequence[Tensor]
            (open, class) of each client.
        samples : Sequence[int]
            Training samples of each.
        """

    def answers(self, uplink: Said) -> Tensor:
        """Return the answers (open, class) that travelled; by default what travelled is they."""
        return uplink.rows

    def broadcast(self, state: AnyConsensus) -> Told | None:
        """Return what the last round came to."""
        kind = cast(type[Told], self.wire.down)
        return kind(state.rows, state.round) if len(state.rows) else None

    def aggregate(
        self, state: AnyConsensus, round_number: int, replies: Sequence[Reply[Said]]
    ) -> Aggregated:
        """Make one of all answers; keep what there is without any."""
        if not replies:
            return Aggregated()
        said = [self.answers(reply.uplink) for reply in replies]
        state.rows, told = self.together(said, [reply.samples for reply in replies])
        state.round = torch.tensor([round_number])
        likeliest = state.rows.argmax(1)
        agreeing = [float((own.argmax(1) == likeliest).float().mean()) for own in said]
        agreement: Mapping[str, float] = {"agreement": sum(agreeing) / len(agreeing)}
        return Aggregated(agreement).joined(told)
