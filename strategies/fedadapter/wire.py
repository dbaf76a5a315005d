"""What FedAdapter sends: adapters, in the rounds in which they are shared."""

from strategies.common.adapters.wire import SharedAdapter, TrainedAdapter
from strategies.common.round import Phase
from strategies.fedadapter.settings import FedAdapterSettings


def phase_of(settings: FedAdapterSettings, round_number: int) -> Phase:
    """Return the payloads of a round.

    Clients that go on alone send nothing, and get the last mean once.
    """
    alone = 0 <= settings.shared_rounds < round_number
    return Phase(up=None if alone else TrainedAdapter, down=SharedAdapter)
