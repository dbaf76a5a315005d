"""What methods with bottleneck adapters send: one adapter, whole, and nothing else.

Sizes are for float32; ``P`` stands for the adapter's parameters,
``blocks * (2 * width * rank + width + rank)``.
"""

from typing import TypeVar, final

from torch import Tensor

from strategies.common.adapters.adapter_set import AdapterSet, AdapterShape
from strategies.common.adapters.foundation import adapter_shape
from strategies.common.adapters.keys import DIGEST_BYTES, keys_of, require_keys
from strategies.common.agreed import Agreed
from strategies.common.payload import Payload, Sizes, payload, payload_base, tensor
from strategies.common.round import Phase

AnyAdapter = TypeVar("AnyAdapter", bound="WholeAdapter")


@payload_base
class WholeAdapter(Payload):
    """All tensors of an adapter as one vector, with what they are: ``4P + 32`` bytes.

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
        parameters = adapter_shape(agreed.task).num_parameters
        return Sizes({"parameters": parameters, "digest": DIGEST_BYTES})

    @classmethod
    def of(cls: type[AnyAdapter], vector: Tensor, shape: AdapterShape) -> AnyAdapter:
        """Return an adapter's parameters as they travel."""
        return cls(vector, keys_of(shape))

    def require(self, where: str, shape: AdapterShape) -> None:
        """Refuse an adapter whose tensors are others than agreed, though as many numbers.

        Raises
        ------
        WireError
            Saying how many tensors there should be, and what to do.
        """
        described = f"{len(shape.keys())} tensors of rank {shape.rank}"
        require_keys(f"{where}: {self.schema}", self.keys, shape, described)


@final
@payload("adapters.shared", version=1)
class SharedAdapter(WholeAdapter):
    """The adapter that all clients share, from server to every device.

    Tells each device the mean of all clients' adapters; with one other client, that client's.
    """


@final
@payload("adapters.trained", version=2)
class TrainedAdapter(WholeAdapter):
    """One client's shared adapter after local training, to the server.

    Tells the server how the client's data moved the adapter.
    """


WIRE = Phase(up=TrainedAdapter, down=SharedAdapter)


def received(downlink: SharedAdapter | None, shape: AdapterShape) -> AdapterSet:
    """Return the shared adapter that came down, on the CPU.

    Raises
    ------
    WireError
        If none did, or its keys are others.
    """
    shared = SharedAdapter.required(downlink)
    shared.require("server", shape)
    return AdapterSet.from_vector(shape, shared.adapter)
