"""What FedLoRA's halves send each other: factors of one rank, and which layers they are for.

Sizes are for float32; ``r`` stands for the rank and ``w`` for the sum of ``in + out`` over the
layers.
"""

from abc import abstractmethod
from typing import TypeVar, final

from torch import Tensor

from strategies.common.adapters.foundation import foundation_of
from strategies.common.adapters.keys import DIGEST_BYTES, keys_of, require_keys
from strategies.common.agreed import Agreed
from strategies.common.errors import WireError
from strategies.common.payload import Payload, Sizes, payload, payload_base, tensor
from strategies.common.round import Phase
from strategies.common.task import Task
from strategies.fedlora.lora_factors import LoraFactors
from strategies.fedlora.lora_shape import LoraShape, LoraTarget
from strategies.fedlora.settings import FedLoRASettings

AnyFactors = TypeVar("AnyFactors", bound="Factors")


@payload_base
class Factors(Payload):
    """The change of weights of all layers, with which layers they are: ``4rw + 32`` bytes.

    Attributes
    ----------
    factors : Tensor
        (rank, width) float; A beside B transposed, layer by layer.
    keys : Tensor
        (digest,) uint8 SHA-256 of the layers' names and widths.
    """

    factors: Tensor = tensor("float", "rank", "width", means="update")
    keys: Tensor = tensor("uint8", "digest")

    @classmethod
    @abstractmethod
    def largest_rank(cls, settings: FedLoRASettings, shape: LoraShape) -> int:
        """Return the largest rank that may travel."""

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return the exact width, and the largest rank that the settings allow."""
        shape = shape_of(agreed.task)
        rank = cls.largest_rank(agreed.settings, shape)
        return Sizes({"width": shape.width, "digest": DIGEST_BYTES}, {"rank": rank})

    @classmethod
    def of(cls: type[AnyFactors], rows: Tensor, shape: LoraShape) -> AnyFactors:
        """Return factors as they travel."""
        return cls(rows, keys_of(shape))

    def fault(self, agreed: Agreed) -> str | None:
        """Refuse factors of no rank."""
        return None if len(self.factors) else "factors: expected a rank of 1 or more, got 0"

    def read(self, where: str, shape: LoraShape) -> LoraFactors:
        """Return what arrived.

        Raises
        ------
        WireError
            If it is of other layers, or has numbers where a layer has none.
        """
        named = f"{where}: {self.schema}"
        require_keys(named, self.keys, shape, f"{len(shape.targets)} layers")
        try:
            return LoraFactors.from_rows(shape, self.factors)
        except WireError as error:
            raise WireError(f"{named}.factors: {error}") from None


@final
@payload("fedlora.global-update", version=2)
class GlobalUpdate(Factors):
    """The federation's update so far, from server to every device.

    Tells each device the sum of all means of all clients' updates, and of one other client
    that client's.
    """

    @classmethod
    def largest_rank(cls, settings: FedLoRASettings, shape: LoraShape) -> int:
        """Return the layers' full rank where updates add up, else the largest client's."""
        return shape.full_rank if settings.is_stacked else settings.largest_in(shape)


@final
@payload("fedlora.trained-factors", version=3)
class TrainedFactors(Factors):
    """One client's factors after local training, to the server.

    Tells the server how the client's data moved its layers.
    """

    @classmethod
    def largest_rank(cls, settings: FedLoRASettings, shape: LoraShape) -> int:
        """Return the largest client's."""
        return settings.largest_in(shape)


WIRE = Phase(up=TrainedFactors, down=GlobalUpdate)


def shape_of(task: Task) -> LoraShape:
    """Return the layers that all clients adapt.

    Raises
    ------
    ModelError
        If the task has no foundation model.
    """
    places = foundation_of(task).places
    return LoraShape(tuple(LoraTarget(place.name, place.inputs, place.outputs) for place in places))
