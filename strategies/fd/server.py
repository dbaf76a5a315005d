"""FD on the server: one teacher per device, the mean of all others."""

from collections.abc import Mapping, Sequence
from typing import Final, final

from strategies.common.class_table import GatheredRows
from strategies.common.entropy import entropy
from strategies.common.knowledge_pictures import table_pictures
from strategies.common.message import MessageServer
from strategies.common.presentation import Presentation, Setting
from strategies.common.round import Aggregated, Reply
from strategies.fd.settings import FDSettings
from strategies.fd.wire import WIRE, SoftLabels, Teacher

_TABLE: Final = "mean-outputs"
_NOBODY_TEACHES: Final = (
    "fd: no label was held by two clients of this round, so that none has a teacher in the next one"
)


@final
class FDServer(MessageServer[FDSettings, GatheredRows, Teacher, SoftLabels]):
    """Forms one teacher per device from the last round's soft labels."""

    wire, state = WIRE, GatheredRows

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what is drawn."""
        return Presentation(pictures={_TABLE: "mean outputs, a row for each class: black is sure"})

    def personal(self, state: GatheredRows, partition: int) -> Teacher | None:
        """Return the mean over the label's other holders, where a label has any."""
        others = state.without(partition).means(self.agreed.task.num_classes)
        return Teacher(others.rows, others.labels) if len(others.labels) else None

    def aggregate(
        self, state: GatheredRows, round_number: int, replies: Sequence[Reply[SoftLabels]]
    ) -> Aggregated:
        """Replace the uploads; tell labels with a holder, with two, and their mean entropy."""
        state.take(replies)
        classes = self.agreed.task.num_classes
        means = state.means(classes)
        shared = int((means.counts > 1).sum())
        numbers = {"held_labels": float(len(means.labels)), "shared_labels": float(shared)}
        if len(means.labels):
            numbers["entropy"] = float(entropy(means.rows).mean())
        notes = () if shared else (_NOBODY_TEACHES,)
        drawn = table_pictures(_TABLE, means.rows, means.labels, classes)
        shown = drawn if self.provided.run.is_evaluated(round_number) else ()
        return Aggregated(numbers, notes, shown)
