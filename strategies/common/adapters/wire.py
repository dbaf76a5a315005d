"""What methods with bottleneck adapters send: one adapter, whole, and nothing else.

Sizes are for float32; ``P`` stands for the adapter's parameters,
``blocks * (2 * width * rank + width + rank)``.
"""

from typing import final

from torch import Tensor

from strategies.common.adapters.adapter_set import AdapterShape
from strategies.common.adapters.foundation import adapter_shape
from strategies.common.adapters.keys import DIGEST_BYTES, require_keys
from strategies.common.agreed import Agreed
from strategies.common.errors import WireError
from strategies.common.payload import Payload, Sizes, payload, tensor
from strategies.common.round import Phase


@final
@payload("adapters.shared", version=1)
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

    adapter: Tensor = tensor("float", "parameters", means="weights")
    keys: Tensor = tensor("uint8", "digest")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return the one length that the task's foundation allows."""
        return _sizes(agreed)


@final
@payload("adapters.trained", version=2)
class TrainedAdapter(Payload):
    """One client's shared adapter after local training, to the server: ``4P + 32`` bytes.

    Tells the server how the client's data moved the adapter.

    Attributes
    ----------
    adapter, keys : Tensor
        As of :class:`SharedAdapter`.
    """

    adapter: Tensor = tensor("float", "parameters", means="weights")
    keys: Tensor = tensor("uint8", "digest")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return the one length that the task's foundation allows."""
        return _sizes(agreed)


WIRE = Phase(up=TrainedAdapter, down=SharedAdapter)


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


def _sizes(agreed: Agreed) -> Sizes:
    parameters = adapter_shape(agreed.task).num_parameters
    return Sizes({"parameters": parameters, "digest": DIGEST_BYTES})
