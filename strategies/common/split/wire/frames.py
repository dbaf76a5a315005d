"""What crosses the stream, as tensors: activations up, gradients down.

A :class:`FrameSpec` is agreed before the first frame; both ends derive it from the same
settings and plan and compare digests, so that a frame needs no description of its own and
anything that does not fit is refused before it is read.
"""

import hashlib
from dataclasses import astuple, dataclass
from typing import Literal, final

from torch import Tensor

CodecName = Literal["float32", "float16", "uint8"]
Split = Literal["bank", "holdout", "test"]

# In this order the two ends count the parts of an evaluation.
SPLITS: tuple[Split, ...] = ("bank", "holdout", "test")


@final
@dataclass(frozen=True)
class TensorSpec:
    """One tensor of a frame.

    Attributes
    ----------
    name : str
        What it is, e.g. ``"query"``.
    kind : str
        ``"activations"`` travel by the codec; ``"labels"`` as int64.
    shape : tuple[int, ...]
        Shape of one sample; ``()`` for labels.
    bound : float
        Largest magnitude of an activation; labels lie in [0, bound).
    """

    name: str
    kind: Literal["activations", "labels"]
    shape: tuple[int, ...]
    bound: float


@final
@dataclass(frozen=True)
class FrameSpec:
    """What one node's frames of one cohort hold.

    Attributes
    ----------
    clients : tuple[int, ...]
        Logical clients in the frame, ascending: axis 0 of every tensor.
    batch : int
        Samples per logical client: axis 1.
    tensors : tuple[TensorSpec, ...]
        Tensors of a frame up, in order; each is (clients, batch, *shape).
    returns_gradient : bool
        Whether the server answers with the gradient of the first tensor, of its shape.
    codec : str
        How activations travel.
    gradient_codec : str
        How gradients travel: ``"float32"`` or ``"float16"`` with a power-of-two scale.
    num_classes : int
        Labels of a survey's samples lie in [0, num_classes).
    """

    clients: tuple[int, ...]
    batch: int
    tensors: tuple[TensorSpec, ...]
    returns_gradient: bool
    codec: CodecName
    gradient_codec: CodecName
    num_classes: int

    def digest(self) -> bytes:
        """Return 32 bytes by which the two ends see whether they mean the same."""
        return hashlib.sha256(repr(astuple(self)).encode()).digest()


@final
@dataclass(frozen=True)
class Activations:
    """What one cohort of one node computed in one step.

    Attributes
    ----------
    step : int
        Step of the run, from 1.
    tensors : tuple[Tensor, ...]
        In the order of the spec, each (clients, batch, *shape).
    """

    step: int
    tensors: tuple[Tensor, ...]


@final
@dataclass(frozen=True)
class Gradients:
    """The server's answer to a step that took place.

    Attributes
    ----------
    step : int
        Step that is answered.
    gradient : Tensor | None
        d loss / d first tensor, (clients, batch, *shape) float32; ``None`` where the
        clients' models are frozen.
    """

    step: int
    gradient: Tensor | None


@final
@dataclass(frozen=True)
class Skipped:
    """The server's answer to activations that came too late.

    Attributes
    ----------
    step : int
        Step that took place without them.
    next_step : int
        Step to go on with; beyond the plan's last one when the session is over.
    """

    step: int
    next_step: int


@final
@dataclass(frozen=True)
class Survey:
    """Activations with labels, for the server's evaluation; no gradient comes back.

    Attributes
    ----------
    client : int
        Logical client they belong to.
    split : str
        What they serve: ``"bank"`` to learn a probe from, ``"holdout"`` (training data kept
        aside) to watch training, ``"test"`` to report.
    activations : Tensor
        (samples, *shape) float32 of the un-augmented samples.
    labels : Tensor
        (samples,) int64.
    """

    client: int
    split: Split
    activations: Tensor
    labels: Tensor
