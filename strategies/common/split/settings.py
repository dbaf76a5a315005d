"""Settings of the data plane and of the network that is split, shared by all split methods."""

from typing import Literal, final

from pydantic import Field

from strategies.common.settings import Settings


@final
class SplitSettings(Settings):
    """Table ``split``.

    Attributes
    ----------
    network : str
        Architecture: ``resnet18``, ``vgg11`` or ``mobilenetv2``, with group normalisation.
    width : int
        Channels of the first stage; 64 is the published ResNet-18, 32 the published
        MobileNetV2; others scale with it.
    cut : int
        Modules on the client, counted from the stem: 1 is "MocoSFL-1", 2 is "MocoSFL-3".
    bottleneck : str
        Pair of convolutions at the cut, e.g. ``C4S2`` (4 channels, stride 2) or
        ``noRELU_C8S1``; empty for none.
    weight_standardisation : bool
        Whether convolutions standardise their filters.
    client_residual : bool
        Whether residual blocks on the client keep their skip connections.
    fronts : str
        How a node computes several client models: ``batched`` in one pass, or ``sequential``.
    cohorts : int
        Parts of the pool that take turns, so that one computes while the other travels.
    codec : str
        How activations travel: ``float32``, ``float16`` or ``uint8``.
    gradient_codec : str
        How gradients travel: ``float32`` or ``float16`` with a power-of-two scale.
    max_value : float
        Largest magnitude of an activation that is taken in.
    profile : bool
        Whether each node measures once, before its first round, what one client costs it.
    host : str
        Address the server listens on.
    port : int
        Port the server listens on; 0 takes a free one.
    advertise : str
        ``host`` or ``host:port`` that devices dial; empty tells them where the server listens.
    certificate, key : str
        The operator's PEM files; empty makes a self-signed certificate for every session,
        which devices pin.
    step_deadline_s : float
        Longest wait for a step's activations, and for the answer to them.
    connect_deadline_s : float
        Longest wait for a stream to open or to come back.
    quorum : float
        Part of a step's expected frames without which it does not take place.
    """

    network: Literal["resnet18", "vgg11", "mobilenetv2"]
    width: int = Field(ge=4, le=256)
    cut: int = Field(ge=1, le=20)
    bottleneck: str = Field(pattern=r"^((noRELU_)?C[1-9][0-9]{0,2}S(1|2|4|8)(K[1357])?)?$")
    weight_standardisation: bool
    client_residual: bool
    fronts: Literal["batched", "sequential"]
    cohorts: int = Field(ge=1, le=2)
    codec: Literal["float32", "float16", "uint8"]
    gradient_codec: Literal["float32", "float16"]
    max_value: float = Field(gt=0)
    profile: bool
    host: str = Field(min_length=1)
    port: int = Field(ge=0, le=65535)
    advertise: str
    certificate: str
    key: str
    step_deadline_s: float = Field(gt=0)
    connect_deadline_s: float = Field(gt=0)
    quorum: float = Field(gt=0, le=1)

    @property
    def front_name(self) -> str:
        """How the journal names a client's model."""
        bottleneck = f", {self.bottleneck}" if self.bottleneck else ""
        return f"{self.network} cut {self.cut}{bottleneck}"
