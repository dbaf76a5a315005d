"""FD on the server: one teacher per device, the mean of all others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.common.message import MessageServer
from strategies.common.round import Aggregated, Reply
from strategies.fd.settings import FDSettings
from strategies.fd.wire import WIRE, SoftLabels, Teacher

_NOBODY_TEACHES = (
    "fd: no label was held by two clients of this round, so that none of them has a teacher "
    "for its own labels in the next one"
)


@final
@dataclass
class FDServerState:
    """Who sent in the last round, (client, class, class) tables, (client, class) labels held."""

    partitions: Tensor
    tables: Tensor
    present: Tensor

    def means(self, left_out: int | None) -> tuple[Tensor, Tensor]:
        """Return (labels, class) means over all holders but one client, and these labels."""
        used = self.partitions != (-1 if left_out is None else left_out)
        holders = self.present[used].sum(0)
        labels = holders.nonzero().flatten()
        sums = torch.einsum("nlc,n->lc", self.tables.double(), used.double())
        return (sums[labels] / holders[labels, None]).float(), labels


@final
class FDServer(MessageServer[FDSettings, FDServerState, Teacher, SoftLabels]):
    """Forms one teacher per device."""

    wire = WIRE

    def start(self) -> FDServerState:
        """Return a state without uploads."""
        return FDServerState(*self._gathered(()))

    def personal(self, state: FDServerState, partition: int) -> Teacher | None:
        """Return the mean over the label's other holders, where a label has any."""
        teacher = Teacher(*state.means(left_out=partition))
        return teacher if len(teacher.labels) else None

    def aggregate(
        self, state: FDServerState, round_number: int, replies: Sequence[Reply[SoftLabels]]
    ) -> Aggregated:
        """Replace the tables; tell labels with a holder, with two, and their mean entropy."""
        state.partitions, state.tables, state.present = self._gathered(replies)
        means, labels = state.means(left_out=None)
        shared = int((state.present.sum(0) > 1).sum())
        numbers = {"held_labels": float(len(labels)), "shared_labels": float(shared)}
        if len(labels):
            numbers["entropy"] = float(torch.special.entr(means).sum(1).mean())
        return Aggregated(numbers, () if shared else (_NOBODY_TEACHES,))

    def _gathered(self, replies: Sequence[Reply[SoftLabels]]) -> tuple[Tensor, Tensor, Tensor]:
        clients, classes = len(replies), self.agreed.task.num_classes
        tables = torch.zeros(clients, classes, classes)
        present = torch.zeros(clients, classes, dtype=torch.bool)
        for row, reply in enumerate(replies):
            tables[row, reply.uplink.labels] = reply.uplink.rows
            present[row, reply.uplink.labels] = True
        partitions = torch.tensor([reply.partition for reply in replies], dtype=torch.int64)
        return partitions, tables, present
