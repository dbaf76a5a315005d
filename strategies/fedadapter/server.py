"""The server half of FedAdapter: the mean of the clients' adapters, for as long as it is asked."""

from typing import final

from strategies.common.adapters.shared_adapter import AveragingServerHalf, SharedAdapterState
from strategies.common.adapters.wire import SharedAdapter
from strategies.common.round import Phase
from strategies.fedadapter.settings import FedAdapterSettings
from strategies.fedadapter.wire import phase_of


@final
class FedAdapterServer(AveragingServerHalf[FedAdapterSettings]):
    """Averages adapters."""

    def phase(self, round_number: int) -> Phase:
        """Return the payloads of a round: adapters go up for as long as they are shared."""
        return phase_of(self.settings, round_number)

    def broadcast(self, state: SharedAdapterState) -> SharedAdapter | None:
        """Return the adapter, up to the one that clients go on from alone."""
        averaged = int(state.completed)
        if averaged and self.phase(averaged).up is None:
            return None
        return super().broadcast(state)
