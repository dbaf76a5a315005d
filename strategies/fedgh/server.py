"""FedGH on the server: a head learns from the classes' means of all clients."""

from collections.abc import Mapping
from typing import Final, final

from torch import Tensor, nn
from torch.nn import functional

from strategies.common.averaged import AverageState
from strategies.common.class_table import GatheredRows
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.server_lesson import LessonServer, ServerLesson
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
class FedGHServer(LessonServer[FedGHSettings, AverageState, Head, Means]):
    """Trains the global head."""

    wire, tested, learner = WIRE, Tested.WITH_AGGREGATED, "head"

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what is tested, and what is measured of the head."""
        told = "Each client tests its own features with the head that the server trained."
        return Presentation(measurement=told, measured=_MEASURED)

    def start(self) -> AverageState:
        """Return a fresh head, drawn from the run's seed."""
        return AverageState.of(Head.first(self.agreed))

    def lesson(self, state: AverageState, sent: GatheredRows) -> ServerLesson:
        """Let the head put all means into their classes."""
        head = Head.part(self.agreed)
        Head(**state.fields).into(head)

        def loss_of(head: nn.Module, rows: Tensor, labels: Tensor) -> Tensor:
            return functional.cross_entropy(head(rows), labels)

        def keep(head: nn.Module, loss: float) -> dict[str, float]:
            state.fields = AverageState.of(Head.of(head.cpu())).fields
            right = (head(sent.rows).argmax(1) == sent.labels).float().mean()
            return {"head_loss": loss, "head_right": float(right)}

        return ServerLesson(head, loss_of, keep)
