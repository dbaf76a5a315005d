"""What FedProto's halves send each other.

Sizes are for float32; ``p`` stands for classes present and ``d`` for ``feature-dim``.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from strategies.common.task import Task
from strategies.common.wire import Payload, Sizes, labels, tensor


@final
@dataclass(frozen=True)
class Prototypes(Payload):
    """One client's class means, from device to server: ``4pd + 16p`` bytes.

    Tells the server which classes the client holds, how many training samples of each, and
    where their mean lies in a feature space that only the client's private model maps to.
    A class with a single sample sends that sample's own features.

    Attributes
    ----------
    prototypes : Tensor
        (present, feature) float; mean features of each class after local training.
    labels : Tensor
        (present,) int64; class of each row.
    counts : Tensor
        (present,) int64, at least 1; training samples behind each row.
    """

    schema: ClassVar[str] = "fedproto.prototypes"
    version: ClassVar[int] = 1

    prototypes: Tensor = tensor("float", "present", "feature")
    labels: Tensor = labels("present")
    counts: Tensor = tensor("int64", "present")

    @staticmethod
    def sizes(task: Task) -> Sizes:
        """Return one row per class at most, as wide as the features."""
        return _sizes(task)


@final
@dataclass(frozen=True)
class GlobalPrototypes(Payload):
    """All clients' class means, from server to every device: ``4pd + 8p`` bytes.

    Tells each device which classes anyone held in the round before, and their mean
    features; a class with one holder shows that client's mean to all.

    Attributes
    ----------
    prototypes : Tensor
        (present, feature) float; a class without a holder has no row.
    labels : Tensor
        (present,) int64; class of each row.
    """

    schema: ClassVar[str] = "fedproto.global-prototypes"
    version: ClassVar[int] = 1

    prototypes: Tensor = tensor("float", "present", "feature")
    labels: Tensor = labels("present")

    @staticmethod
    def sizes(task: Task) -> Sizes:
        """Return one row per class at most, as wide as the features."""
        return _sizes(task)


def _sizes(task: Task) -> Sizes:
    return Sizes(task.num_classes, {"feature": task.feature_dim}, {"present": task.num_classes})
