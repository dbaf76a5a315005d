"""FedKD on the server: the mean of all changes, approximated anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, final

import torch
from torch import Tensor

from strategies.common.agreed import Need
from strategies.common.averaging import average
from strategies.common.low_rank import factorised
from strategies.common.magnitudes import Size
from strategies.common.message import MessageServer
from strategies.common.mutual import LOSSES
from strategies.common.payloads import numbers_of
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Aggregated, Reply
from strategies.common.wire import as_sent
from strategies.fedkd.settings import FedKDSettings
from strategies.fedkd.wire import WIRE, Mentee, Update

_MEASURED: Final = Measured(
    "What travels of the mentee's numbers",
    {"sent_up": "mean of the clients", "sent_down": "the mean, approximated anew"},
    "Good: well below 1; at 1 nothing is saved.",
    share=True,
)
_HIDDEN: Final = Measured(
    "Distance of the mentee's features, mapped, from the mentor's (mean squares)",
    {"hidden": "hidden loss"},
    "Good: falling from round to round.",
)


@final
@dataclass
class FedKDServerState:
    """The mentee, and what makes it of the one before.

    Attributes
    ----------
    parameters, statistics : Tensor
        (parameters,) and (statistics,) float of the mentee.
    numbers, ranks : Tensor
        As ``Factors`` has them: the last change, or the mentee itself; none before the first.
    number : Tensor
        (1,) int64, which mentee it is: 1 at first.
    holders : Tensor
        (clients,) int64 partitions that have the one before.
    """

    parameters: Tensor
    statistics: Tensor
    numbers: Tensor = field(default_factory=lambda: torch.zeros(0))
    ranks: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    number: Tensor = field(default_factory=lambda: torch.ones(1, dtype=torch.int64))
    holders: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))


@final
class FedKDServer(MessageServer[FedKDSettings, FedKDServerState, Mentee, Update]):
    """Averages changes of the mentee."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MODELS})
    wire = WIRE

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what is measured of two models and of their factors."""
        whole = settings.get("factorise") == "parameters"
        variant = "with parameters factorised" if whole else ""
        return Presentation(variant=variant, measured=(_MEASURED,), losses=(*LOSSES, _HIDDEN))

    def start(self) -> FedKDServerState:
        """Return the mentee that all begin with."""
        return FedKDServerState(*numbers_of(self.provided.build_beside()))

    def gone_back(self, state: FedKDServerState) -> None:
        """Take nobody to have the mentee before: the next round brings all the whole one."""
        state.holders = state.holders[:0]

    def personal(self, state: FedKDServerState, partition: int) -> Mentee | None:
        """Return the last change for who has what it is of; for others the whole mentee."""
        if not len(state.ranks):
            return None
        number, nothing = state.number, torch.zeros_like(state.number)
        if self.settings.factorise == "parameters":
            return Mentee(state.numbers, state.ranks, state.statistics, nothing, number)
        if partition in state.holders.tolist():
            return Mentee(state.numbers, state.ranks, state.statistics, number - 1, number)
        whole = torch.zeros_like(state.ranks)
        return Mentee(state.parameters, whole, state.statistics, nothing, number)

    def magnitudes(self, state: FedKDServerState, reply: Reply[Update]) -> Mapping[str, Size]:
        """Return how large the change is that factors stand for."""
        whole = self.settings.factorise == "parameters"
        change = reply.uplink.restored(self.agreed) - (state.parameters if whole else 0.0)
        return {"numbers": Size((float(change.double().square().mean().sqrt()),), learnt=True)}

    def aggregate(
        self, state: FedKDServerState, round_number: int, replies: Sequence[Reply[Update]]
    ) -> Aggregated:
        """Average what was sent, approximate it anew, and change the mentee by what will arrive."""
        if not replies:
            return Aggregated()
        run, sent = self.provided.run, [reply.uplink for reply in replies]
        weights = [self.settings.weight(reply) for reply in replies]
        mean = average([one.restored(self.agreed) for one in sent], weights)
        energy = self.settings.energy(round_number, run.rounds)
        numbers, state.ranks = factorised(mean, self.agreed.beside.shapes, energy)
        state.numbers = as_sent(numbers, run.wire_dtype)
        state.statistics = average([one.statistics for one in sent], weights)
        change = Update(state.numbers, state.ranks, state.statistics).restored(self.agreed)
        whole = self.settings.factorise == "parameters"
        state.parameters = change if whole else state.parameters + change
        state.number = state.number + 1
        state.holders = torch.tensor([reply.partition for reply in replies], dtype=torch.int64)
        share = 1 / len(state.parameters)
        up = share * sum(len(one.numbers) for one in sent) / len(sent)
        return Aggregated({"sent_up": up, "sent_down": share * len(numbers)})
