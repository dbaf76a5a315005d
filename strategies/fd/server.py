"""FD on the server: one teacher per device, the mean of all others."""

from collections.abc import Mapping, Sequence
from typing import Final, final

from strategies.common.class_means import ClassMeans, means_by_class
from strategies.common.class_table import GatheredRows
from strategies.common.entropy import entropy
from strategies.common.knowledge_pictures import table_picture
from strategies.common.message import MessageServer
from strategies.common.presentation import Presentation, Setting
from strategies.common.round import Aggregated, Picture, Reply
from strategies.fd.settings import FDSettings
from strategies.fd.wire import WIRE, SoftLabels, Teacher

_TABLE: Final = "mean-outputs"
_NOBODY_TEACHES = (
    "fd: no label was held by two clients of this round, so that none of them has a teacher "
    "for its own labels in the next one"
)


@final
class FDServer(MessageServer[FDSettings, GatheredRows, Teacher, SoftLabels]):
    """Forms one teacher per device from the last round's soft labels."""

    wire, state = WIRE, GatheredRows

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what is drawn."""
        told = "mean outputs, a row for each true class: black is sure"
        return Presentation(pictures={_TABLE: told})

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
        notes = () if shared else (_NOBODY_TEACHES,)
        return Aggregated(numbers, notes, self._pictures(means, round_number))

    def _pictures(self, means: ClassMeans, round_number: int) -> tuple[Picture, ...]:
        if not self.provided.run.is_evaluated(round_number) or not len(means.labels):
            return ()
        drawn = table_picture(means.rows, means.labels, self.agreed.task.num_classes)
        return () if drawn is None else (Picture(_TABLE, drawn),)

    def _means(self, sent: GatheredRows) -> ClassMeans:
        return means_by_class([(sent.rows, sent.labels)], self.agreed.task.num_classes)
