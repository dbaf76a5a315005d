"""FedGH on the server: a head learns from the classes' means of all clients."""

from collections.abc import Mapping, Sequence
from typing import Final, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds
from strategies.common.averaged import AverageState
from strategies.common.message import MessageServer
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Aggregated, Reply
from strategies.common.server_lesson import taught
from strategies.common.tested import Tested
from strategies.fedgh.settings import FedGHSettings
from strategies.fedgh.wire import WIRE, Head, Means

_MEASURED: Final = (
    Measured(
        "Cross-entropy of the global head on the clients' means (nats)",
        {"head_loss": "mean over the round's passes"},
        "Good: falling; the logarithm of the number of classes is guessing.",
    ),
    Measured(
        "Clients' means that the global head puts into their class",
        {"head_right": "of all means"},
        "Good: near 1; far below, unlike clients' features do not lie apart.",
        share=True,
    ),
)


@final
class FedGHServer(MessageServer[FedGHSettings, AverageState, Head, Means]):
    """Trains the global head."""

    wire, tested = WIRE, Tested.WITH_AGGREGATED

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what is tested, and what is measured of the head."""
        told = "Each client tests its own features with the head that the server trained."
        return Presentation(measurement=told, measured=_MEASURED)

    def start(self) -> AverageState:
        """Return a fresh head, drawn from the run's seed."""
        return AverageState.of(Head.first(self.agreed))

    def broadcast(self, state: AverageState) -> Head:
        """Return the head as it is."""
        return Head(**state.fields)

    def aggregate(
        self, state: AverageState, round_number: int, replies: Sequence[Reply[Means]]
    ) -> Aggregated:
        """Take the head's steps of a round; without replies keep it."""
        if not any(len(reply.uplink.labels) for reply in replies):
            return Aggregated()
        device = self.provided.device
        head = Head.part(self.agreed)
        Head(**state.fields).into(head)
        rows = torch.cat([reply.uplink.rows for reply in replies]).to(device)
        labels = torch.cat([reply.uplink.labels for reply in replies]).to(device)

        def loss_of(head: nn.Module, part: Tensor) -> Tensor:
            return functional.cross_entropy(head(rows[part]), labels[part])

        order = seeds.generator(self.provided.run.seed, "head", round_number=round_number)
        head, loss, notes = taught(
            head.to(device), "fedgh", self.settings, len(rows), loss_of, order
        )
        right = float((head(rows).argmax(1) == labels).float().mean())
        state.fields = AverageState.of(Head.of(head.cpu())).fields
        return Aggregated({"head_loss": loss, "head_right": right}, notes)
