"""What methods with bottleneck adapters send: one adapter, whole, and nothing else.

Sizes are for float32; ``P`` stands for the adapter's parameters,
``blocks * (2 * width * rank + width + rank)``.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from strategies.common.adapters.adapter_set import AdapterShape
from strategies.common.adapters.foundation import adapter_shape
from strategies.common.adapters.keys import DIGEST_BYTES, require_keys
from strategies.common.errors import WireError
from strategies.common.task import Task
from strategies.common.wire import Payload, Sizes, tensor


@final
@dataclass(frozen=True)
class SharedAdapter(Payload):
    """The adapter that all clients share, from server to every device: ``4P + 32`` bytes.

    Tells each device the mean of all clients' adapters; with one other client, that client's.

    Attributes
    ----------
    adapter : Tensor
        (parameters,) float; all tensors in the order of ``AdapterShape.keys``.
    keys : Tensor
        (digest,) uint8; SHA-256 of that list of names and shapes.
    """

    schema: ClassVar[str] = "adapters.shared"
    version: ClassVar[int] = 1

    adapter: Tensor = tensor("float", "parameters")
    keys: Tensor = tensor("uint8", "digest")

    @staticmethod
    def sizes(task: Task) -> Sizes:
        """Return the one length that the task's foundation allows."""
        return _sizes(task)


@final
@dataclass(frozen=True)
class TrainedAdapter(Payload):
    """One client's shared adapter after local training, to the server: ``4P + 40`` bytes.

    Tells the server how the client's data moved the adapter, and how many samples it has.

    Attributes
    ----------
    adapter, keys : Tensor
        As of :class:`SharedAdapter`.
    samples : Tensor
        (one,) int64, at least 1; training samples behind it.
    """

    schema: ClassVar[str] = "adapters.trained"
    version: ClassVar[int] = 1

    adapter: Tensor = tensor("float", "parameters")
    keys: Tensor = tensor("uint8", "digest")
    samples: Tensor = tensor("int64", "one")

    @staticmethod
    def sizes(task: Task) -> Sizes:
        """Return the one length that the task's foundation allows."""
        return _sizes(task)


def check_keys(where: str, payload: SharedAdapter | TrainedAdapter, shape: AdapterShape) -> None:
    """Refuse an adapter whose tensors are others than agreed, though as many numbers.

    Raises
    ------
    WireError
        Saying how many tensors there should be, and what to do.
    """
    described = f"{len(shape.keys())} tensors of rank {shape.rank}"
    require_keys(f"{where}: {payload.schema}", payload.keys, shape, described)


def received(downlink: SharedAdapter | None, shape: AdapterShape) -> Tensor:
    """Return the shared adapter that came down, (parameters,) float32.

    Raises
    ------
    WireError
        If none did, or its keys are others.
    """
    if downlink is None:
        raise WireError(f"server: expected a payload {SharedAdapter.schema}, got none")
    check_keys("server", downlink, shape)
    return downlink.adapter


def _sizes(task: Task) -> Sizes:
    parameters = adapter_shape(task).num_parameters
    return Sizes(0, {"parameters": parameters, "digest": DIGEST_BYTES, "one": 1})
