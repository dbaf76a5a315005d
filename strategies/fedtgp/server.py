"""FedTGP on the server: prototypes learn to part what clients sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final

import torch
from torch import Tensor, nn

from strategies.common import seeds
from strategies.common.averaging import average_by_class
from strategies.common.class_table import GatheredRows, RowsState
from strategies.common.nearest import classified_by
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.server_lesson import LessonServer, ServerLesson
from strategies.common.tested import Tested
from strategies.fedtgp.contrast import adaptive_margin, contrast, trainable_prototypes
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
    """What the prototypes have come to, of each class that anyone ever sent, and what learns."""

    prototypes: nn.Module = field(kw_only=True)


@final
class FedTGPServer(LessonServer[FedTGPSettings, FedTGPState, GlobalPrototypes, Prototypes]):
    """Trains the global prototypes (algorithm 1)."""

    wire, tested, learner = WIRE, Tested.WITH_AGGREGATED, "prototypes"

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what picks a class, and what is measured of the prototypes."""
        return Presentation(classified_by=classified_by(settings), measured=_MEASURED)

    def start(self) -> FedTGPState:
        """Return fresh prototypes, drawn from the run's seed."""
        with seeds.seeded(seeds.derive(self.provided.run.seed, self.learner)):
            learner = trainable_prototypes(self.agreed.task.num_classes, self.agreed.feature_dim)
        return FedTGPState(prototypes=learner.to(self.provided.device))

    def lesson(self, state: FedTGPState, sent: GatheredRows) -> ServerLesson:
        """Let prototypes of all classes that were ever sent part what was sent now."""
        means, _ = average_by_class([sent])
        margin = adaptive_margin(means, self.settings.largest_margin, self.settings.margin)
        state.labels = torch.unique(torch.cat([state.labels, sent.labels]))
        known = state.labels.to(self.provided.device)

        def loss_of(learner: nn.Module, rows: Tensor, labels: Tensor) -> Tensor:
            return contrast(rows, torch.searchsorted(known, labels), learner(known), margin)

        def keep(learner: nn.Module, loss: float) -> dict[str, float]:
            state.prototypes, state.rows = learner, learner(known).cpu()
            return {**state.numbers(), "margin": margin, "contrast": loss}

        return ServerLesson(state.prototypes, loss_of, keep)
