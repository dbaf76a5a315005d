"""FD on the server: one teacher per device, the mean of all others."""

from collections.abc import Sequence
from typing import final

from strategies.common.class_means import ClassMeans, means_by_class
from strategies.common.class_table import GatheredRows
from strategies.common.entropy import entropy
from strategies.common.message import MessageServer
from strategies.common.round import Aggregated, Reply
from strategies.fd.settings import FDSettings
from strategies.fd.wire import WIRE, SoftLabels, Teacher

_NOBODY_TEACHES = (
    "fd: no label was held by two clients of this round, so that none of them has a teacher "
    "for its own labels in the next one"
)


@final
class FDServer(MessageServer[FDSettings, GatheredRows, Teacher, SoftLabels]):
    """Forms one teacher per device from the last round's soft labels."""

    wire, state = WIRE, GatheredRows

    def personal(self, state: GatheredRows, partition: int) -> Teacher | None:
        """Return the mean over the label's other holders, where a label has any."""
        others = self._means(state.without(partition))
        return Teacher(others.rows, others.labels) if len(others.labels) else None

    def aggregate(
        self, state: GatheredRows, round_number: int, replies: Sequence[Reply[SoftLabels]]
    ) -> Aggregated:
        """Replace the uploads; tell labels with a holder, with two, and their mean entropy."""
        state.take(replies)
        means = self._means(state)
        shared = int((means.counts > 1).sum())
        numbers = {"held_labels": float(len(means.labels)), "shared_labels": float(shared)}
        if len(means.labels):
            numbers["entropy"] = float(entropy(means.rows).mean())
        return Aggregated(numbers, () if shared else (_NOBODY_TEACHES,))

    def _means(self, sent: GatheredRows) -> ClassMeans:
        return means_by_class([(sent.rows, sent.labels)], self.agreed.task.num_classes)
