"""What FAug sends once up and once down, for images of V values and labels that fit in int64."""

from math import prod
from typing import final

import torch
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

    They are its own images as they are, and say of which labels it may have few.

    Attributes
    ----------
    pixels, labels : Tensor
        (seed, value) uint8 and (seed,) int64.
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

    Every client can draw images like all clients' seeds from it.

    Attributes
    ----------
    labels : Tensor
        (known,) int64, of which it has seen images.
    """

    follows_model = False

    labels: Tensor = labels("known")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return the generator's numbers."""
        held = _held(agreed)
        exact = {"parameters": held.parameters, "statistics": held.statistics}
        return Sizes(exact, {"known": agreed.task.num_classes})

    def fault(self, agreed: Agreed) -> str | None:
        """Refuse what no generator can have measured."""
        return _held(agreed).fault_in(self.statistics)

    def built(self, agreed: Agreed) -> LabelledGenerator:
        """Return the generator itself."""
        generator = LabelledGenerator.of(agreed)
        self.into(generator)
        return generator


def _held(agreed: Agreed) -> Architecture:
    with torch.device("meta"):
        return Architecture.of(LabelledGenerator.of(agreed))
