"""What FAug sends once up and once down, for images of V values and labels that fit in int64."""

from math import prod
from typing import final

from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.architecture import Architecture
from strategies.common.payload import Payload, Sizes, labels, payload, tensor
from strategies.common.payloads import WholeModel
from strategies.faug.gan import LabelledGenerator


@final
@payload("faug.seeds", version=1)
class Seeds(Payload):
    """A client's samples, to the server: ``nV + 8n`` bytes for n of them.

    They are its own images as they are, pixels (seed, value) uint8 with labels (seed,) int64, and
    say of which labels it may have few.
    """

    pixels: Tensor = tensor("uint8", "seed", "value")
    labels: Tensor = labels("seed", unique=False)

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return whole images, so many of each label at most."""
        most = agreed.task.num_classes * agreed.settings.seeds_per_label
        return Sizes({"value": prod(agreed.task.inputs.shape)}, {"seed": most})


@final
@payload("faug.generator", version=1)
class Generator(WholeModel):
    """The generator, to each client: ``4(P + S) + 8p`` bytes for p labels.

    Every client can draw images like all clients' seeds from it, of the labels (known,) int64 of
    which it has seen some.
    """

    follows_model = False

    labels: Tensor = labels("known")

    @classmethod
    def held(cls, agreed: Agreed) -> Architecture:
        """Return what the generator holds."""
        return Architecture.planned(lambda: LabelledGenerator(agreed))
