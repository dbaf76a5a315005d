"""The server half of FedDAT: the mean of the clients' shared adapters (A_s)."""

from typing import final

from strategies.common.adapters.server_half import AveragingServerHalf
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.settings import RunSettings
from strategies.feddat.settings import FedDATSettings


@final
class FedDATServer(AveragingServerHalf):
    """Averages shared adapters; how clients teach each other's is not its business.

    Parameters
    ----------
    _settings : FedDATSettings
        Not read.
    run : RunSettings
        Seed and dtype of the wire.
    adapters : AdapterSettings
        First adapter, and how clients are weighed.
    """

    def __init__(
        self, _settings: FedDATSettings, run: RunSettings, adapters: AdapterSettings
    ) -> None:
        super().__init__(run, adapters)
