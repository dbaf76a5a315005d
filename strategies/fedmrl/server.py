"""FedMRL on the server: the mean of all small models."""

from collections.abc import Mapping
from typing import ClassVar, Final, final

from strategies.common.agreed import Need
from strategies.common.averaged import AveragingServer
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Reply
from strategies.common.tested import Tested
from strategies.fedmrl.settings import FedMRLSettings
from strategies.fedmrl.wire import WIRE, SmallModel

_LOSSES: Final = Measured(
    "Cross-entropy of both heads on fused features (nats)",
    {"cross_entropy": "the client's, on all", "shared_cross_entropy": "the small one's, on a part"},
    "Good: both falling.",
)


@final
class FedMRLServer(AveragingServer[FedMRLSettings, SmallModel]):
    """Averages small models (algorithm 1)."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MODELS})
    wire, tested = WIRE, Tested.WITH_AGGREGATED

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what is tested, and which losses there are."""
        fresh = settings.get("projection") == "fresh"
        return Presentation(
            variant="with projections that are not kept" if fresh else "",
            measurement="Each client tests its own model fused with the mean of all small ones.",
            losses=(_LOSSES,),
        )

    def weight(self, reply: Reply[SmallModel]) -> float:
        """Weigh clients by samples, or alike."""
        return 1.0 if self.settings.aggregation == "uniform" else super().weight(reply)
