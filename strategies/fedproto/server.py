"""FedProto on the server: average the clients' prototypes class by class."""

from collections.abc import Sequence
from typing import final

from strategies.common.averaging import average_by_class
from strategies.common.class_table import RowsState
from strategies.common.message import MessageServer
from strategies.common.round import Aggregated, Reply
from strategies.fedproto.settings import FedProtoSettings
from strategies.fedproto.wire import WIRE, GlobalPrototypes, Prototypes


@final
class FedProtoServer(MessageServer[FedProtoSettings, RowsState, GlobalPrototypes, Prototypes]):
    """Averages prototypes."""

    wire, state = WIRE, RowsState

    def broadcast(self, state: RowsState) -> GlobalPrototypes | None:
        """Return the global prototypes of the last round, where there are any."""
        return state.sent_as(GlobalPrototypes)

    def aggregate(
        self, state: RowsState, round_number: int, replies: Sequence[Reply[Prototypes]]
    ) -> Aggregated:
        """Replace the global prototypes by means over holders (eq. 6)."""
        sent = [reply.uplink for reply in replies]
        counts = [own.counts for own in sent] if self.settings.aggregation == "counts" else None
        state.rows, state.labels = average_by_class(sent, counts)
        return Aggregated(state.numbers())
