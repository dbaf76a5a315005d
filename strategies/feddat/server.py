"""The server half of FedDAT: the mean of the clients' shared adapters."""

from typing import final

from strategies.common.adapters.shared_adapter import AveragingServerHalf
from strategies.feddat.settings import FedDATSettings


@final
class FedDATServer(AveragingServerHalf[FedDATSettings]):
    """Averages adapters in every round."""
