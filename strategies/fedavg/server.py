"""FedAvg on the server: one mean for each architecture."""

from collections.abc import Mapping
from typing import Final, final

from strategies.common.group_means import GroupAveragingServer, GroupMeans
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.tested import Tested
from strategies.fedavg.settings import FedAvgSettings
from strategies.fedavg.wire import WIRE, GroupMean, Model

_TESTS_MEAN: Final = "Each client tests the mean of all models of its architecture."
_PROXIMAL: Final = Measured(
    "Distance from the mean that the round began with, before its weight",
    {"proximal": "FedProx's term"},
    "Good: small; a large one says that clients pull apart.",
)


@final
class FedAvgServer(GroupAveragingServer[FedAvgSettings, GroupMeans, GroupMean, Model]):
    """Averages the models of each architecture."""

    wire, tested = WIRE, Tested.WITH_AGGREGATED

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what is tested, and that the proximal term makes another method of it."""
        return Presentation(
            variant="with FedProx's term" if settings.get("proximal-weight") else "",
            measurement="" if settings.get("test") == "trained" else _TESTS_MEAN,
            losses=(_PROXIMAL,),
        )
