"""LG-FedAvg on the server: the mean of all heads."""

from collections.abc import Mapping
from typing import Final, final

from strategies.common.averaged import AverageState, AveragingServer
from strategies.common.magnitudes import UNLIKE_FACTOR, Size, sizes_of
from strategies.common.presentation import Presentation, Setting
from strategies.common.round import Reply
from strategies.common.tested import Tested
from strategies.lgfedavg.settings import LGFedAvgSettings
from strategies.lgfedavg.wire import WIRE, Head

_TESTS_MEAN: Final = "Each client tests its own features with the mean of all heads."


@final
class LGFedAvgServer(AveragingServer[LGFedAvgSettings, Head]):
    """Averages heads by training samples."""

    wire, tested = WIRE, Tested.WITH_AGGREGATED

    def start(self) -> AverageState:
        """Return the head that all clients begin with."""
        super().start()
        return AverageState.of(Head.first(self.agreed))

    def magnitudes(self, state: AverageState, reply: Reply[Head]) -> Mapping[str, Size]:
        """Return how far heads are from the mean: those of unlike features learn unlike steps."""
        return sizes_of(reply.uplink, state.fields, factor=UNLIKE_FACTOR)

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State with which head clients are tested."""
        own = settings.get("test") == "trained"
        return Presentation(measurement="" if own else _TESTS_MEAN)
