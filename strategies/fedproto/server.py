"""FedProto on the server: average the clients' prototypes class by class."""

from collections.abc import Mapping
from typing import final

from strategies.common.averaged import RowAveragingServer
from strategies.common.nearest import classified_by
from strategies.common.presentation import Presentation, Setting
from strategies.common.tested import Tested
from strategies.fedproto.settings import FedProtoSettings
from strategies.fedproto.wire import WIRE, GlobalPrototypes, Prototypes


@final
class FedProtoServer(RowAveragingServer[FedProtoSettings, GlobalPrototypes, Prototypes]):
    """Replaces the global prototypes by means over their holders (eq. 6)."""

    wire, tested = WIRE, Tested.WITH_AGGREGATED

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what picks a class in a test."""
        return Presentation(classified_by=classified_by(settings))
