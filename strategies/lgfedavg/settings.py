"""Settings of LG-FedAvg: the table ``lgfedavg``."""

from typing import Literal, final

from strategies.common.settings import Settings


@final
class LGFedAvgSettings(Settings):
    """Which head is tested.

    Attributes
    ----------
    test : str
        ``"aggregated"`` tests with the mean of all heads, ``"trained"`` with the client's own.
    """

    test: Literal["aggregated", "trained"]
