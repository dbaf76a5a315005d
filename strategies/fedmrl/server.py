"""FedMRL on the server: the mean of all small models."""

from collections.abc import Mapping
from typing import Final, final

from strategies.common.auxiliary import AuxiliaryServer
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.tested import Tested
from strategies.fedmrl.settings import FedMRLSettings
from strategies.fedmrl.wire import WIRE, SmallModel

_LOSSES: Final = Measured(
    "Cross-entropy of both heads on fused features (nats)",
    {"cross_entropy": "the client's, on all", "shared_cross_entropy": "the small one's, on a part"},
    "Good: both falling.",
)


@final
class FedMRLServer(AuxiliaryServer[FedMRLSettings, SmallModel]):
    """Averages small models (algorithm 1)."""

    wire, tested = WIRE, Tested.WITH_AGGREGATED

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what is tested, and which losses there are."""
        fresh = settings.get("projection") == "fresh"
        variant = "with projections that are not kept" if fresh else ""
        told = "Each client tests its own model fused with the mean of all small ones."
        return Presentation(variant=variant, measurement=told, losses=(_LOSSES,))
