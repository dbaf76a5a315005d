"""What MocoSFL's halves send each other: client models as payloads, and frames on the stream.

With ``cache-rounds`` the server keeps the activations of the first rounds in its checkpoints.
"""

from typing import final

from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.payload import Sizes, payload, tensor
from strategies.common.round import Phase
from strategies.common.split.client_models import AveragedModel, TrainedModels
from strategies.common.split.networks.of_run import cut_shape
from strategies.common.split.wire.frames import FrameSpec, TensorSpec


@final
@payload("mocosfl.trained-models", version=1)
class MocoSFLModels(TrainedModels):
    """Client models after a session, from node to server: ``4mP + 8m`` bytes.

    With averaged momentum models ``8mP + 8m``; clients that are frozen send none. Tells the
    server each client model; with it and the activations it received, it may reconstruct
    images (TAResSFL guards against that).

    Attributes
    ----------
    momentum : Tensor | None
        (clients, parameters) float; momentum models, where these are averaged.
    """

    momentum: Tensor | None = tensor(
        "float", "clients", "parameters", optional=True, means="weights"
    )

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return a row for each client that a node may carry."""
        own = super().sizes(agreed)
        return Sizes(own.exact, own.at_most, _absent(agreed))


@final
@payload("mocosfl.averaged-model", version=1)
class MocoSFLAverage(AveragedModel):
    """The mean of the pool's models, or the expert's, the same for all nodes: ``4P`` bytes.

    With an averaged momentum model ``8P``.

    Attributes
    ----------
    momentum : Tensor | None
        (parameters,) float; the momentum model, where these are averaged.
    """

    momentum: Tensor | None = tensor("float", "parameters", optional=True, means="weights")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return the number of a client model's parameters."""
        return Sizes(super().sizes(agreed).exact, absent=_absent(agreed))


WIRE = Phase(up=MocoSFLModels, down=MocoSFLAverage)
FROZEN = Phase(down=MocoSFLAverage)


def _absent(agreed: Agreed) -> frozenset[str]:
    return frozenset() if agreed.settings.average_momentum else frozenset({"momentum"})


def frame_spec(agreed: Agreed, clients: tuple[int, ...], batch: int) -> FrameSpec:
    """Describe the frames of some logical clients, alike for both halves.

    Parameters
    ----------
    agreed : Agreed
        Gives the cut, codecs and the largest magnitude, the classes of a survey's samples,
        and whether clients are frozen, so that no gradient returns; steps carry no labels.
    clients : tuple[int, ...]
        Logical clients in the frame, ascending.
    batch : int
        Samples of each.
    """
    split = agreed.split
    latent_shape = cut_shape(split, agreed.task).latent_shape
    query, key = (
        TensorSpec(name, "activations", latent_shape, split.max_value) for name in ("query", "key")
    )
    return FrameSpec(
        clients,
        batch,
        (query, key),
        returns_gradient=not agreed.settings.frozen,
        codec=split.codec,
        gradient_codec=split.gradient_codec,
        num_classes=agreed.task.num_classes,
    )
