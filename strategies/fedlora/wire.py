"""What FedLoRA's halves send each other: factors of one rank, and how many layers they are for.

Sizes are for float32; ``P(r)`` stands for the sum over the layers of ``r (in + out)``.
"""

from typing import final

from torch import Tensor

from strategies.common.adapters.foundation import foundation_of
from strategies.common.adapters.keys import DIGEST_BYTES, require_keys
from strategies.common.agreed import Agreed
from strategies.common.errors import WireError
from strategies.common.payload import Payload, Sizes, payload, tensor
from strategies.common.round import Phase
from strategies.common.task import Task
from strategies.fedlora.lora_factors import LoraFactors
from strategies.fedlora.lora_shape import LoraShape, LoraTarget


@final
@payload("fedlora.global-update", version=1)
class GlobalUpdate(Payload):
    """The federation's update so far, from server to every device: ``4P(r) + 40`` bytes.

    Tells each device the sum of all means of all clients' updates, and of one other client
    that client's.

    Attributes
    ----------
    factors : Tensor
        (parameters,) float; A and B of each layer in turn.
    rank : Tensor
        (one,) int64 rank of the factors.
    keys : Tensor
        (digest,) uint8 SHA-256 of the layers' names and widths.
    """

    factors: Tensor = tensor("float", "parameters")
    rank: Tensor = tensor("int64", "one")
    keys: Tensor = tensor("uint8", "digest")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return the longest that factors of any rank are."""
        return _sizes(agreed)


@final
@payload("fedlora.trained-factors", version=2)
class TrainedFactors(Payload):
    """One client's factors after local training, to the server: ``4P(r) + 48`` bytes.

    Tells the server how the client's data moved its layers, and how many samples it has.

    Attributes
    ----------
    factors, rank, keys : Tensor
        As of :class:`GlobalUpdate`.
    """

    factors: Tensor = tensor("float", "parameters")
    rank: Tensor = tensor("int64", "one")
    keys: Tensor = tensor("uint8", "digest")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return the longest that factors of any rank are."""
        return _sizes(agreed)


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


def read_factors(
    where: str, payload: GlobalUpdate | TrainedFactors, shape: LoraShape
) -> LoraFactors:
    """Return the factors of a payload.

    Raises
    ------
    WireError
        If they are of other layers, or their number does not fit their rank.
    """
    named = f"{where}: {payload.schema}"
    require_keys(named, payload.keys, shape, f"{len(shape.targets)} layers")
    rank = int(payload.rank)
    if not 1 <= rank <= shape.full_rank:
        raise WireError(f"{named}.rank: expected 1 to {shape.full_rank}, got {rank}")
    try:
        return LoraFactors.from_vector(shape, rank, payload.factors)
    except WireError as error:
        raise WireError(f"{named}.factors: {error}") from None


def _sizes(agreed: Agreed) -> Sizes:
    shape = shape_of(agreed.task)
    return Sizes(
        {"digest": DIGEST_BYTES, "one": 1},
        {"parameters": shape.num_parameters(shape.full_rank)},
    )
