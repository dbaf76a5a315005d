"""FML on the server: the mean of all memes."""

from collections.abc import Mapping
from typing import ClassVar, Final, final

from strategies.common.agreed import Need
from strategies.common.averaged import AveragingServer
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Reply
from strategies.fml.settings import FMLSettings
from strategies.fml.wire import WIRE, Meme

_LOSSES: Final = (
    Measured(
        "Divergence of a client's two models (nats)",
        {"from_meme": "its own from the meme", "from_model": "the meme from its own"},
        "Good: falling; high ones say that the meme of all knows little of the client's labels.",
    ),
    Measured(
        "Cross-entropy of the meme on the client's samples (nats)",
        {"meme_cross_entropy": "while it learns"},
        "Good: falling from round to round.",
    ),
)


@final
class FMLServer(AveragingServer[FMLSettings, Meme]):
    """Averages memes (algorithm 1)."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MODELS})
    wire = WIRE

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State which losses there are beside the client's own."""
        return Presentation(losses=_LOSSES)

    def weight(self, reply: Reply[Meme]) -> float:
        """Weigh clients alike, or by samples."""
        return 1.0 if self.settings.aggregation == "uniform" else super().weight(reply)
