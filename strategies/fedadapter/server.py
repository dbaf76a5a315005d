"""The server half of FedAdapter: the mean of the clients' adapters, for as long as it is asked."""

from typing import final

from strategies.common.adapters.server_half import AveragingServerHalf, SharedAdapterState
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.adapters.wire import SharedAdapter
from strategies.common.settings import RunSettings
from strategies.fedadapter.settings import FedAdapterSettings


@final
class FedAdapterServer(AveragingServerHalf):
    """Averages adapters.

    Parameters
    ----------
    settings : FedAdapterSettings
        In how many rounds.
    run : RunSettings
        Seed and dtype of the wire.
    adapters : AdapterSettings
        First adapter, and how clients are weighed.
    """

    def __init__(
        self, settings: FedAdapterSettings, run: RunSettings, adapters: AdapterSettings
    ) -> None:
        super().__init__(run, adapters)
        self._shared_rounds = settings.shared_rounds

    def uploads(self, round_number: int) -> bool:
        """Tell whether adapters are averaged in a round."""
        return self._shared_rounds < 0 or round_number <= self._shared_rounds

    def downlink(self, state: SharedAdapterState, partition: int) -> SharedAdapter | None:
        """Return the same adapter for every client, up to the one that they go on from alone."""
        averaged = int(state.completed)
        if averaged and not self.uploads(averaged):
            return None
        return super().downlink(state, partition)
