"""What MocoSFL's frames hold, so that both halves mean the same."""

from strategies.common.split.plan import Plan
from strategies.common.split.settings import SplitSettings
from strategies.common.split.wire.frames import FrameSpec, TensorSpec


def frame_spec(
    plan: Plan,
    clients: tuple[int, ...],
    latent_shape: tuple[int, ...],
    num_classes: int,
    split: SplitSettings,
    *,
    frozen: bool,
) -> FrameSpec:
    """Describe the frames of some logical clients.

    Parameters
    ----------
    plan : Plan
        The session; gives the samples per client.
    clients : tuple[int, ...]
        Logical clients in the frame, ascending.
    latent_shape : tuple[int, ...]
        Shape of one sample's activations at the cut.
    num_classes : int
        Classes of the task, for the labels of a survey; steps carry none.
    split : SplitSettings
        Codecs and the largest magnitude.
    frozen : bool
        Whether clients keep an expert's weights, so that no gradient returns.
    """
    query, key = (
        TensorSpec(name, "activations", latent_shape, split.max_value) for name in ("query", "key")
    )
    return FrameSpec(
        clients,
        plan.batch,
        (query, key),
        returns_gradient=not frozen,
        codec=split.codec,
        gradient_codec=split.gradient_codec,
        num_classes=num_classes,
    )
