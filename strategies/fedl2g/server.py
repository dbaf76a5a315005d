"""FedL2G on the server: guiding vectors take a step along the mean of what clients ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, final

import torch

from strategies.common import seeds
from strategies.common.averaging import average_by_class
from strategies.common.class_table import RowsState
from strategies.common.magnitudes import Size, sizes_of
from strategies.common.message import SendingServer
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Aggregated, Reply
from strategies.fedl2g.settings import FedL2GSettings
from strategies.fedl2g.wire import WIRE, Gradients, Guides

# Share of clients, and times what that stays within: of unlike text models half may ask for next
# to nothing, and honest ones ask for up to 74 times that.
_TYPICAL, _FACTOR = 0.75, 100.0
_MEASURED: Final = Measured(
    "Norm of the guiding vectors' gradients, before they are clipped",
    {"guide_gradient": "of all classes together"},
    "Good: falling; near 0 from the start, vectors change nothing: raise server-learning-rate.",
)
_LOSSES: Final = Measured(
    "Losses of guidance",
    {
        "guidance": "mean squares to the guiding vectors",
        "quiz": "cross-entropy of samples held out, after a guided step (nats)",
    },
    "Good: a quiz that falls from round to round.",
)


@final
class FedL2GServer(SendingServer[FedL2GSettings, RowsState, Guides, Gradients]):
    """Learns the guiding vectors."""

    wire = WIRE

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what is guided."""
        variant = "of logits" if settings.get("guidance") == "logit" else ""
        return Presentation(variant=variant, measured=(_MEASURED,), losses=(_LOSSES,))

    def start(self) -> RowsState:
        """Return a vector of normal numbers for each class, as in the authors' code."""
        classes, width = self.agreed.task.num_classes, Guides.width(self.agreed)
        order = seeds.generator(self.provided.run.seed, "guiding vectors")
        return RowsState(torch.randn(classes, width, generator=order), torch.arange(classes))

    def magnitudes(self, state: RowsState, reply: Reply[Gradients]) -> Mapping[str, Size]:
        """Return how large the largest row is; steps of unlike models lie far apart."""
        size = sizes_of(reply.uplink, factor=_FACTOR)["rows"]
        rows = (size.largest,) if size.rows else ()
        return {"rows": replace(size, rows=rows, learnt=True, share=_TYPICAL)}

    def aggregate(
        self, state: RowsState, round_number: int, replies: Sequence[Reply[Gradients]]
    ) -> Aggregated:
        """Move each vector against the mean of the gradients that came for it."""
        means, labels = average_by_class([reply.uplink for reply in replies])
        if not len(labels):
            return Aggregated()
        norm, most = float(means.norm()), self.settings.max_norm
        step = self.settings.server_learning_rate * (most / norm if 0 < most < norm else 1.0)
        state.rows = state.rows.index_add(0, labels, means, alpha=-step)
        return Aggregated({"guide_gradient": norm})
