"""What SplitFed's halves send each other.

Within a round frames travel on the stream, :func:`frame_spec`: activations and labels up,
gradients down. Around it weights travel as payloads. Sizes are for float32; P stands for the
parameters of one client model, m for the members of the pool on one node.
"""

from typing import final

from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.payload import Payload, Sizes, payload, tensor
from strategies.common.round import Phase
from strategies.common.split.plan import Plan
from strategies.common.split.settings import SplitSettings
from strategies.common.split.wire.frames import FrameSpec, TensorSpec

# The settings fix the exact lengths, which ``SplitFedServer.check`` and the device verify.
MAX_PARAMETERS = 2**28
MAX_MEMBERS = 10_000


@final
@payload("splitfed.trained-fronts", version=1)
class TrainedFronts(Payload):
    """Client models after a round, from node to server: ``4mP + 16m`` bytes and a header.

    Tells the server each client model and how many samples each client holds. With the model
    and the activations that it received, the server may reconstruct images.

    Attributes
    ----------
    fronts : Tensor
        (members, parameters) float; each client's model as one vector.
    clients : Tensor
        (members,) int64; logical client of each row, ascending.
    samples : Tensor
        (members,) int64; training samples of each client, at least 1, which weigh the mean.
    """

    fronts: Tensor = tensor("float", "members", "parameters")
    clients: Tensor = tensor("int64", "members")
    samples: Tensor = tensor("int64", "members")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return wide bounds: the task does not tell the size of a client model."""
        bounds = {"members": MAX_MEMBERS, "parameters": MAX_PARAMETERS}
        return Sizes({}, bounds)


@final
@payload("splitfed.averaged-front", version=1)
class AveragedFront(Payload):
    """The synchronised client model, from server to every node: ``4P`` bytes and a header.

    Tells a node the mean of the last pool's client models, which is the same for all.

    Attributes
    ----------
    front : Tensor
        (parameters,) float.
    """

    front: Tensor = tensor("float", "parameters")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return wide bounds: the task does not tell the size of a client model."""
        return Sizes({}, {"parameters": MAX_PARAMETERS})


WIRE = Phase(up=TrainedFronts, down=AveragedFront)


def frame_spec(
    plan: Plan,
    clients: tuple[int, ...],
    latent_shape: tuple[int, ...],
    num_classes: int,
    split: SplitSettings,
) -> FrameSpec:
    """Describe the frames of some logical clients, alike for both halves.

    Every sample's class travels with its activations, so the server learns which classes a
    client holds, how many samples of each it meets, and what each class looks like at the
    cut. SplitFed has no way around it: the loss is computed at the server.

    Parameters
    ----------
    plan : Plan
        The session; gives the samples per client.
    clients : tuple[int, ...]
        Logical clients in the frame, ascending.
    latent_shape : tuple[int, ...]
        Shape of one sample's activations at the cut.
    num_classes : int
        Classes of the task.
    split : SplitSettings
        Codecs and the largest magnitude.
    """
    activations = TensorSpec("activations", "activations", latent_shape, split.max_value)
    labels = TensorSpec("labels", "labels", (), num_classes)
    return FrameSpec(
        clients,
        plan.batch,
        (activations, labels),
        returns_gradient=True,
        codec=split.codec,
        gradient_codec=split.gradient_codec,
        num_classes=num_classes,
    )
