"""Tables with a row per class: what a federation knows of each, and what is done with it.

Prototypes are means of features by class (Tan et al., "FedProto", AAAI 2022). Both halves use
this.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, final

import torch
from torch import Tensor
from torch.nn import functional

from strategies.common.class_means import ClassMeans, means_by_class
from strategies.common.device import Device
from strategies.common.distances import distances
from strategies.common.payload import AnyKind
from strategies.common.payloads import ClassRows
from strategies.common.round import Reply

AnyRows = TypeVar("AnyRows", bound=ClassRows)


class Rows(Protocol):
    """Rows of some classes: a payload, or means.

    Attributes
    ----------
    rows : Tensor
        (present, width).
    labels : Tensor
        (present,) int64 class of each row.
    """

    @property
    def rows(self) -> Tensor:
        """Return the rows."""
        ...

    @property
    def labels(self) -> Tensor:
        """Return their classes."""
        ...


def _no_rows() -> Tensor:
    return torch.zeros(0, 0)


def _no_labels() -> Tensor:
    return torch.zeros(0, dtype=torch.int64)


@dataclass
class RowsState:
    """Rows that survive a round at a server.

    Attributes
    ----------
    rows, labels : Tensor
        (present, width) and (present,) int64; without rows where there are none.
    """

    rows: Tensor = field(default_factory=_no_rows)
    labels: Tensor = field(default_factory=_no_labels)

    def sent_as(self, kind: type[AnyKind]) -> AnyKind | None:
        """Return the rows as a payload, or ``None`` where there are none."""
        fields = {"rows": self.rows, "labels": self.labels}
        return kind(**fields) if len(self.labels) else None

    def numbers(self) -> dict[str, float]:
        """Return how many classes have a row, and the distance of the two that lie closest."""
        found = {"classes": float(len(self.labels))}
        if len(self.labels) > 1:
            found["closest_prototypes"] = float(torch.pdist(self.rows).min())
        return found


@final
@dataclass
class GatheredRows:
    """The rows that all clients of a round sent, below each other.

    Attributes
    ----------
    rows, labels : Tensor
        (rows, width) and (rows,) int64 class of each.
    owners : Tensor
        (rows,) int64 partition that sent each.
    """

    rows: Tensor = field(default_factory=_no_rows)
    labels: Tensor = field(default_factory=_no_labels)
    owners: Tensor = field(default_factory=_no_labels)

    def take(self, replies: Sequence[Reply[AnyRows]]) -> None:
        """Replace the rows by those of a round."""
        sent = [reply.uplink for reply in replies]
        self.rows = torch.cat([own.rows for own in sent]) if sent else _no_rows()
        self.labels = torch.cat([own.labels for own in sent]) if sent else _no_labels()
        owners = [r.partition for r in replies for _ in range(len(r.uplink.labels))]
        self.owners = torch.tensor(owners, dtype=torch.int64)

    def without(self, partition: int) -> "GatheredRows":
        """Return the rows of all other clients."""
        others = self.owners != partition
        return GatheredRows(self.rows[others], self.labels[others], self.owners[others])

    def means(self, num_classes: int) -> ClassMeans:
        """Return the mean over the rows of each class that has some."""
        return means_by_class([(self.rows, self.labels)], num_classes)


@final
@dataclass(frozen=True)
class ClassTable:
    """One row per class of the task, of which some may be unknown.

    Attributes
    ----------
    rows : Tensor
        (class, width); zeros where unknown.
    known : Tensor
        (class,) bool.
    """

    rows: Tensor
    known: Tensor

    @staticmethod
    def empty(num_classes: int, width: int, device: torch.device) -> "ClassTable":
        """Return a table that knows no class."""
        rows = torch.zeros(num_classes, width, device=device)
        return ClassTable(rows, torch.zeros(num_classes, dtype=torch.bool, device=device))

    @staticmethod
    def of_features(device: Device, rows: Rows | None) -> "ClassTable":
        """Return a table as wide as a client's features, with some rows in it or none."""
        task = device.task
        empty = ClassTable.empty(task.num_classes, task.feature_dim, device.torch_device)
        return empty.overlaid(rows)

    @staticmethod
    def of_classes(device: Device, rows: Rows | None) -> "ClassTable":
        """Return a table as wide as the number of classes, with some rows in it or none."""
        classes = device.task.num_classes
        return ClassTable.empty(classes, classes, device.torch_device).overlaid(rows)

    def overlaid(self, rows: Rows | None) -> "ClassTable":
        """Return a copy with rows put in place of those of the same class."""
        if rows is None:
            return self
        where = rows.labels.to(self.rows.device)
        table = self.rows.index_copy(0, where, rows.rows.to(self.rows))
        return ClassTable(table, self.known.index_fill(0, where, value=True))

    def among(self, labels: Tensor) -> "ClassTable":
        """Return a copy that knows the classes of some samples alone."""
        held = torch.zeros_like(self.known).index_fill(0, labels.to(self.known.device), value=True)
        return ClassTable(self.rows, self.known & held)

    def knows(self, labels: Tensor) -> bool:
        """Tell whether every class of some samples has a row."""
        return bool(self.known[labels.to(self.known.device)].all())


def prototype_loss(features: Tensor, labels: Tensor, table: ClassTable) -> Tensor:
    """Return the distance of features to the prototypes of their classes (L_R in eq. 7 and 8).

    It is the squared difference averaged over all (batch, feature) entries. A sample whose
    class has no prototype adds nothing to the sum and still counts in the average.

    Parameters
    ----------
    features : Tensor
        (batch, feature).
    labels : Tensor
        (batch,) int64.
    table : ClassTable
        Global prototypes.

    Examples
    --------
    >>> table = ClassTable(torch.tensor([[1.0, 1.0], [0.0, 0.0]]), torch.tensor([True, False]))
    >>> prototype_loss(torch.tensor([[3.0, 1.0], [5.0, 5.0]]), torch.tensor([0, 1]), table)
    tensor(1.)
    """
    known = table.known[labels][:, None]
    targets = torch.where(known, table.rows[labels], features.detach())
    return functional.mse_loss(features, targets)


def distance_scores(features: Tensor, table: ClassTable) -> Tensor:
    """Score every class by its prototype's nearness (the largest score is eq. 4's choice).

    A known class scores minus the squared Euclidean distance to its prototype, counted from
    the nearest one; softmax of such scores is the class posterior of unit Gaussians around
    the prototypes (Snell et al., NeurIPS 2017, eq. 2). An unknown class scores one unit less
    than the farthest known class: never chosen, and its cross-entropy stays finite.

    Parameters
    ----------
    features : Tensor
        (batch, feature).
    table : ClassTable
        Candidates; at least one class is known.

    Returns
    -------
    Tensor
        (batch, class) scores, at most 0.
    """
    known = table.known.nonzero().flatten()
    return scores_of_known(features, table.rows[known], known, len(table.known))


def scores_of_known(
    features: Tensor, prototypes: Tensor, places: Tensor, num_classes: int
) -> Tensor:
    """Score every class as :func:`distance_scores` does, with the known rows apart.

    Parameters
    ----------
    features : Tensor
        (batch, feature).
    prototypes : Tensor
        (known, feature), at least one.
    places : Tensor
        (known,) int64; class of each.
    num_classes : int
        Classes of the task.
    """
    return scores_of_distances(distances(features, prototypes).square(), places, num_classes)


def scores_of_distances(squares: Tensor, places: Tensor, num_classes: int) -> Tensor:
    """Score every class as :func:`distance_scores` does, from squared distances.

    Parameters
    ----------
    squares : Tensor
        (batch, known), of at least one class.
    places : Tensor
        (known,) int64; class of each.
    num_classes : int
        Classes of the task.
    """
    beyond_nearest = squares - squares.amin(1, keepdim=True)
    unknown = -beyond_nearest.amax(1, keepdim=True) - 1
    return unknown.repeat(1, num_classes).index_copy(1, places, -beyond_nearest)
