"""The server half of FD: to each device the average of all the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from strategies.common.errors import WireError
from strategies.common.method import Aggregated, ServerHalf
from strategies.common.settings import RunSettings
from strategies.common.task import Task
from strategies.common.wire import Payload
from strategies.fd.settings import FDSettings
from strategies.fd.soft_labels import Pool, mean_entropy
from strategies.fd.wire import SoftLabels, Teacher

# float16 rounds a row's entries by up to 2^-11 of the row's sum; nothing honest errs more.
ROW_SUM_TOLERANCE = 1e-3

_NOBODY_TEACHES = (
    "fd: no label was held by two clients of this round, so that none of them has a teacher "
    "for its own labels in the next one"
)


@final
@dataclass
class FDServerState:
    """The last round's uploads; clients that did not take part in it have no row.

    Attributes
    ----------
    partitions : Tensor
        (client,) int64; whose row it is.
    tables : Tensor
        (client, class, class); mean soft label per true label, zeros where not held.
    present : Tensor
        (client, class) bool; which labels a client holds.
    sums : Tensor
        (class, class) float64; tables added over clients, so that a teacher costs one
        subtraction.
    holders : Tensor
        (class,) int64; clients that hold a label.
    """

    partitions: Tensor
    tables: Tensor
    present: Tensor
    sums: Tensor
    holders: Tensor


@final
class FDServer(ServerHalf[FDServerState, Teacher, SoftLabels]):
    """Forms one teacher per device.

    Parameters
    ----------
    _settings : FDSettings
        Not read; the weight of distillation is the devices' affair.
    _run : RunSettings
        Not read; taken because every method's server half is built from both.
    """

    uplink: ClassVar[type[Payload] | None] = SoftLabels
    needs_generator: ClassVar[bool] = False

    def __init__(self, _settings: FDSettings, _run: RunSettings) -> None:
        pass

    def start(self, task: Task) -> FDServerState:
        """Return a state without uploads; features of unlike widths will do."""
        classes = task.num_classes
        return FDServerState(
            partitions=torch.zeros(0, dtype=torch.int64),
            tables=torch.zeros(0, classes, classes),
            present=torch.zeros(0, classes, dtype=torch.bool),
            sums=torch.zeros(classes, classes, dtype=torch.float64),
            holders=torch.zeros(classes, dtype=torch.int64),
        )

    def downlink(self, state: FDServerState, partition: int) -> Teacher | None:
        """Return the mean of the other holders per label, or nothing if there are none.

        A client that did not take part in the last round gets the mean of all holders.
        """
        pool = Pool(state.sums, state.holders)
        for row in (state.partitions == partition).nonzero().flatten().tolist():
            pool = pool.without(state.tables[row], state.present[row])
        probabilities, labels = pool.means()
        return Teacher(probabilities, labels) if len(labels) else None

    def check(self, partition: int, uplink: SoftLabels) -> None:
        """Refuse rows that are no distributions, such as logits.

        Raises
        ------
        WireError
            If an entry leaves [0, 1] or a row does not sum to 1.
        """
        rows = uplink.probabilities.double()
        if not len(rows):
            return
        where = f"client {partition}: {SoftLabels.schema}.probabilities"
        low, high = float(rows.min()), float(rows.max())
        if low < 0 or high > 1:
            raise WireError(f"{where}: expected entries in [0, 1], got {low:g} to {high:g}")
        totals = rows.sum(1)
        worst = int((totals - 1).abs().argmax())
        if abs(float(totals[worst]) - 1) > ROW_SUM_TOLERANCE:
            raise WireError(
                f"{where}: expected rows that sum to 1, got {float(totals[worst]):g} for label "
                f"{int(uplink.labels[worst])}"
            )

    def aggregate(
        self,
        state: FDServerState,
        round_number: int,  # noqa: ARG002
        uplinks: Mapping[int, SoftLabels],
    ) -> Aggregated:
        """Replace the last round's tables by this round's; nothing older is kept.

        Diagnostics are the numbers of labels with a holder and with two, which is what it
        takes for holders to teach each other, and the mean entropy in nats of the labels'
        average soft label.
        """
        classes = len(state.holders)
        state.partitions = torch.tensor(list(uplinks), dtype=torch.int64)
        state.tables = torch.zeros(len(uplinks), classes, classes)
        state.present = torch.zeros(len(uplinks), classes, dtype=torch.bool)
        for row, uplink in enumerate(uplinks.values()):
            state.tables[row, uplink.labels] = uplink.probabilities
            state.present[row, uplink.labels] = True
        pool = Pool.of(state.tables, state.present)
        state.sums, state.holders = pool.sums, pool.holders
        held, shared = int((pool.holders > 0).sum()), int((pool.holders > 1).sum())
        diagnostics = {"held_labels": float(held), "shared_labels": float(shared)}
        if held:
            diagnostics["entropy"] = mean_entropy(pool.means()[0])
        notes = () if shared else (_NOBODY_TEACHES,)
        return Aggregated(diagnostics, notes)
