"""The server half of FedProto: average the clients' prototypes class by class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from strategies.common.class_means import ClassSums
from strategies.common.class_table import PrototypeTable
from strategies.common.errors import ModelError, WireError
from strategies.common.method import Aggregated, ServerHalf
from strategies.common.settings import RunSettings
from strategies.common.task import Task
from strategies.common.wire import Payload
from strategies.fedproto.settings import FedProtoSettings
from strategies.fedproto.wire import GlobalPrototypes, Prototypes


@final
@dataclass
class FedProtoServerState:
    """What survives a round.

    Attributes
    ----------
    prototypes : Tensor
        (class, feature) global prototypes of the last round; zeros where there is none.
    known : Tensor
        (class,) bool; which classes have one.
    """

    prototypes: Tensor
    known: Tensor


@final
class FedProtoServer(ServerHalf[FedProtoServerState, GlobalPrototypes, Prototypes]):
    """Averages prototypes.

    Parameters
    ----------
    settings : FedProtoSettings
        How holders of a class are weighed.
    _run : RunSettings
        Not read; taken because every method's server half is built from both.
    """

    uplink: ClassVar[type[Payload] | None] = Prototypes
    needs_generator: ClassVar[bool] = False

    def __init__(self, settings: FedProtoSettings, _run: RunSettings) -> None:
        self._settings = settings
        self._packed: tuple[Tensor, GlobalPrototypes] | None = None

    def start(self, task: Task) -> FedProtoServerState:
        """Return a state without prototypes.

        Raises
        ------
        ModelError
            If the clients' features differ in width.
        """
        if task.feature_dim == 0:
            raise ModelError(
                "fedproto: expected features of one width from all clients, got several; set "
                "feature-dim to the width that all models' features are pooled to"
            )
        return FedProtoServerState(
            prototypes=torch.zeros(task.num_classes, task.feature_dim),
            known=torch.zeros(task.num_classes, dtype=torch.bool),
        )

    def downlink(self, state: FedProtoServerState, partition: int) -> GlobalPrototypes | None:  # noqa: ARG002
        """Return the same prototypes for every client, or nothing before there are any."""
        if not bool(state.known.any()):
            return None
        # One object for all clients is packed for sending once.
        if self._packed is None or self._packed[0] is not state.prototypes:
            labels = state.known.nonzero().flatten()
            self._packed = state.prototypes, GlobalPrototypes(state.prototypes[labels], labels)
        return self._packed[1]

    def check(self, partition: int, uplink: Prototypes) -> None:
        """Refuse prototypes that claim to be means of no sample.

        Raises
        ------
        WireError
            If a count is below 1.
        """
        if bool((uplink.counts < 1).any()):
            raise WireError(
                f"client {partition}: {Prototypes.schema}.counts: expected at least 1 for each "
                f"class that is sent, got {int(uplink.counts.min())}"
            )

    def aggregate(
        self,
        state: FedProtoServerState,
        round_number: int,  # noqa: ARG002
        uplinks: Mapping[int, Prototypes],
    ) -> Aggregated:
        """Replace the global prototypes by the means over this round's holders (eq. 6).

        Diagnostics are the number of classes with a prototype, and the Euclidean distance of
        the two prototypes that lie closest.
        """
        num_classes, feature_dim = state.prototypes.shape
        device = state.prototypes.device
        sums = ClassSums(num_classes, feature_dim, device)
        for uplink in uplinks.values():
            by_counts = self._settings.aggregation == "counts"
            sums.add(uplink.prototypes, uplink.labels, uplink.counts if by_counts else None)
        averaged = sums.means()
        empty = PrototypeTable.empty(num_classes, feature_dim, device)
        table = empty.overlaid(averaged.means, averaged.labels)
        state.prototypes, state.known = table.rows, table.known
        diagnostics = {"classes": float(len(averaged.labels))}
        if len(averaged.labels) > 1:
            diagnostics["closest_prototypes"] = float(torch.pdist(averaged.means).min())
        return Aggregated(diagnostics)
