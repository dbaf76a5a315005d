"""What FD's halves send each other.

Sizes are for float32; ``p`` stands for labels present and ``C`` for the number of classes.
Neither depends on the size of any model.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from strategies.common.task import Task
from strategies.common.wire import Payload, Sizes, labels, tensor


@final
@dataclass(frozen=True)
class SoftLabels(Payload):
    """One client's mean soft label per true label, from device to server: ``4pC + 8p`` bytes.

    Tells the server which labels the client holds, and how its model confuses each of them
    with the others on average. How many samples it holds is not told.

    Attributes
    ----------
    probabilities : Tensor
        (present, class) float in [0, 1], rows sum to 1; mean softmax output.
    labels : Tensor
        (present,) int64; true label of each row.
    """

    schema: ClassVar[str] = "fd.soft-labels"
    version: ClassVar[int] = 1

    probabilities: Tensor = tensor("float", "present", "class")
    labels: Tensor = labels("present")

    @staticmethod
    def sizes(task: Task) -> Sizes:
        """Return one row per label at most, one column per class."""
        return _sizes(task)


@final
@dataclass(frozen=True)
class Teacher(Payload):
    """What the others think of each label, from server to one device: ``4pC + 8p`` bytes.

    Tells a device the average soft label of all other holders. A label with one other holder
    shows that client's own soft label.

    Attributes
    ----------
    probabilities : Tensor
        (present, class) float in [0, 1], rows sum to 1.
    labels : Tensor
        (present,) int64; true label of each row. A label without another holder has no row.
    """

    schema: ClassVar[str] = "fd.teacher"
    version: ClassVar[int] = 1

    probabilities: Tensor = tensor("float", "present", "class")
    labels: Tensor = labels("present")

    @staticmethod
    def sizes(task: Task) -> Sizes:
        """Return one row per label at most, one column per class."""
        return _sizes(task)


def _sizes(task: Task) -> Sizes:
    return Sizes(task.num_classes, {"class": task.num_classes}, {"present": task.num_classes})
