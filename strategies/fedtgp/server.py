"""FedTGP on the server: prototypes learn to part what clients sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

import torch
from torch import Tensor, nn

from strategies.common import seeds
from strategies.common.averaging import average_by_class
from strategies.common.class_table import RowsState
from strategies.common.message import MessageServer
from strategies.common.nearest import classified_by
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Aggregated, Reply
from strategies.common.server_lesson import taught
from strategies.common.tested import Tested
from strategies.fedtgp.contrast import TrainablePrototypes, adaptive_margin, contrast
from strategies.fedtgp.settings import FedTGPSettings
from strategies.fedtgp.wire import WIRE, GlobalPrototypes, Prototypes

_MEASURED: Final = (
    Measured(
        "Contrast of the global prototypes with those of clients (nats)",
        {"contrast": "mean over the round's passes"},
        "Good: falling to near 0 (the authors advise to train until it is below 0.001).",
    ),
    Measured(
        "Distances between classes",
        {"margin": "the margin asked for", "closest_prototypes": "of the two closest prototypes"},
        "Good: the closest prototypes lie farther apart than the clients' own do.",
    ),
)


@final
@dataclass
class FedTGPState(RowsState):
    """What the prototypes have come to, of each class that anyone ever sent, and what learns.

    Attributes
    ----------
    prototypes : nn.Module
        Vectors and network.
    """

    prototypes: nn.Module = field(kw_only=True)


@final
class FedTGPServer(MessageServer[FedTGPSettings, FedTGPState, GlobalPrototypes, Prototypes]):
    """Trains the global prototypes (algorithm 1)."""

    wire, tested = WIRE, Tested.WITH_AGGREGATED

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what picks a class, and what is measured of the prototypes."""
        return Presentation(classified_by=classified_by(settings), measured=_MEASURED)

    def start(self) -> FedTGPState:
        """Return fresh prototypes, drawn from the run's seed."""
        width, classes = self.agreed.feature_dim, self.agreed.task.num_classes
        with seeds.seeded(seeds.derive(self.provided.run.seed, "prototypes")):
            learner = TrainablePrototypes(classes, width)
        return FedTGPState(prototypes=learner.to(self.provided.device))

    def broadcast(self, state: FedTGPState) -> GlobalPrototypes | None:
        """Return what the prototypes have come to, once somebody has sent some."""
        return state.sent_as(GlobalPrototypes)

    def aggregate(
        self, state: FedTGPState, round_number: int, replies: Sequence[Reply[Prototypes]]
    ) -> Aggregated:
        """Take the prototypes' steps of a round; without replies keep them."""
        if not any(len(reply.uplink.labels) for reply in replies):
            return Aggregated()
        settings, device = self.settings, self.provided.device
        sent = [reply.uplink for reply in replies]
        means, _ = average_by_class(sent)
        margin = adaptive_margin(means, settings.largest_margin, settings.margin)
        rows = torch.cat([own.rows for own in sent]).to(device)
        classes = torch.cat([own.labels for own in sent])
        state.labels = torch.unique(torch.cat([state.labels, classes]))
        known = state.labels.to(device)
        places = torch.searchsorted(known, classes.to(device))

        def loss_of(learner: nn.Module, part: Tensor) -> Tensor:
            return contrast(rows[part], places[part], learner(known), margin)

        order = seeds.generator(self.provided.run.seed, "prototypes", round_number=round_number)
        state.prototypes, loss, notes = taught(
            state.prototypes, "fedtgp", settings, len(rows), loss_of, order
        )
        with torch.no_grad():
            state.rows = state.prototypes(known).cpu()
        return Aggregated({**state.numbers(), "margin": margin, "contrast": loss}, notes)
