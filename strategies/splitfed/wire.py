"""What SplitFed's halves send each other: client models as payloads, and frames on the stream."""

from typing import final

from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.payload import payload, sample_counts
from strategies.common.round import Phase
from strategies.common.split.client_models import AveragedModel, TrainedModels
from strategies.common.split.networks.of_run import cut_shape
from strategies.common.split.wire.frames import FrameSpec, TensorSpec


@final
@payload("splitfed.trained-models", version=1)
class SplitFedModels(TrainedModels):
    """Client models after a round, from node to server: ``4mP + 16m`` bytes.

    Tells the server each client model and how many samples each client holds. With the model
    and the activations that it received, the server may reconstruct images.

    Attributes
    ----------
    samples : Tensor
        (clients,) int64; training samples of each client, which weigh the mean.
    """

    samples: Tensor = sample_counts("clients")


@final
@payload("splitfed.averaged-model", version=1)
class SplitFedAverage(AveragedModel):
    """The mean of the last pool's client models, the same for all nodes: ``4P`` bytes."""


WIRE = Phase(up=SplitFedModels, down=SplitFedAverage)


def frame_spec(agreed: Agreed, clients: tuple[int, ...], batch: int) -> FrameSpec:
    """Describe the frames of some logical clients, alike for both halves.

    Every sample's class travels with its activations, so the server learns which classes a
    client holds, how many samples of each it meets, and what each class looks like at the
    cut. SplitFed has no way around it: the loss is computed at the server.

    Parameters
    ----------
    agreed : Agreed
        Gives the cut, the classes, codecs and the largest magnitude.
    clients : tuple[int, ...]
        Logical clients in the frame, ascending.
    batch : int
        Samples of each.
    """
    split, num_classes = agreed.split, agreed.task.num_classes
    latent_shape = cut_shape(split, agreed.task).latent_shape
    activations = TensorSpec("activations", "activations", latent_shape, split.max_value)
    labels = TensorSpec("labels", "labels", (), num_classes)
    return FrameSpec(
        clients,
        batch,
        (activations, labels),
        returns_gradient=True,
        codec=split.codec,
        gradient_codec=split.gradient_codec,
        num_classes=num_classes,
    )
