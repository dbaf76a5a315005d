"""Settings of MocoSFL: the table ``mocosfl``."""

from dataclasses import dataclass
from typing import Literal, final

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from strategies.common.settings import Settings

Version = Literal["v1", "v2"]
GradientScale = Literal["pool", "client"]
ClientSchedule = Literal["cosine", "wave"]

_SAMPLES_PER_STEP = 100
_STEPS_PER_ROUND = 50


@final
class MocoSFLSettings(Settings):
    """How clients and server learn together; letters are the paper's.

    A whole number of 0 takes what the authors use: the pool's batches are about 100 samples
    together, however many clients there are, and clients are synchronised every 50 steps.
    With 5, 100, 200 and 1000 clients they publish batches of 20, 1, 1 and 1 and pools of 5, 100,
    100 and 100, for 100,000 steps, which is ``rounds=2000``; with 20 clients they set a pool of
    5 by hand, from which the batch of 20 follows.

    Attributes
    ----------
    version : str
        Which MoCo: ``"v2"`` has a projection head with a hidden layer, blurs views and
        decays by cosine; ``"v1"`` has a linear head, does not blur and decays at 60 and
        80 % of the run. The paper uses v2.
    batch : int
        Samples per logical client and step (b); 0 makes the pool's batches about 100
        together.
    pool : int
        Logical clients that take part in a round, drawn anew in each; 0 takes all, or about
        100 of 200 and more.
    steps_per_round : int
        Optimiser steps between two synchronisations; 0 is 50, to which the authors' rule
        comes with any number of clients.
    learning_rate : float
        Step size of the server's SGD at the start of the run; 0.06 with ResNet-18, 0.03
        with VGG and MobileNetV2, 0.001 with an expert.
    client_learning_rate : float
        Step size of the clients' SGD at the start of the run; as the server's in the paper.
    client_schedule : str
        ``"cosine"`` lets the clients' step size fall to 0 over the run; ``"wave"`` is the
        reference code's: down to 0 and up again, each in as many of a client's steps as the
        run has passes over its data.
    warmup_steps : int
        Steps at the start of the run over which step sizes on both sides rise from near 0 to
        theirs; 0 for none, as in the paper. Untrained narrow networks have gradients so long
        that full steps can collapse them at once.
    momentum, weight_decay : float
        Of SGD on both sides.
    temperature : float
        What similarities are divided by (T).
    ema : float
        Part of a momentum model that stays in every step (tau), on both sides.
    memory_size : int
        Keys of earlier steps that a query is told from (K).
    symmetric : str
        Whether each view is also the other's key, at the server alone: ``"on"``, ``"off"``,
        or ``"auto"`` for v2.
    projection_hidden : int
        Width of the head's hidden layer; 0 is 1024 in v2, and none in v1.
    projection_dim : int
        Width of queries and keys (D); 0 is 1024 in v2 and 128 in v1. The authors' smaller
        v2 head has 512.
    gradient_scale : str
        ``"pool"`` returns the gradient of the mean over the pool's batches, as the paper
        does, so that a client moves by 1/pool of what its own mean would make it;
        ``"client"`` returns that of the client's own mean, as SplitFed does.
    average_momentum : bool
        Whether synchronisation averages the clients' momentum models too, which keeps deep
        cuts from collapsing (MonAcoSFL) and doubles the weights that travel.
    merge_passes : bool
        Whether the server takes both views through a network in one pass; the same numbers
        to the last digits, and faster.
    min_crop : float
        Smallest part of an image's area that a view shows; the paper's images take 0.08.
    flip : bool
        Whether half of the views are mirrored; not where left and right differ, as in
        digits.
    key_prefetch : bool
        Whether keys are computed while the last step's gradient is still on its way, by a
        momentum model that lags one step behind.
    expert : str
        File of a TAResSFL client model with the server's part that it was trained with;
        clients then never train it, send no weights and receive no gradients. Empty trains
        all parts from the start.
    cache_rounds : int
        With an expert, rounds in which clients send activations; 0 for all. The server keeps
        these activations, in memory and in its checkpoints on disk, and in all later rounds
        learns from them alone: devices are then asked for nothing but samples to evaluate.
        The last round's checkpoint no longer holds them; earlier ones still do.
    knn_neighbours : int
        Neighbours that vote on a sample (k of the kNN monitor).
    knn_temperature : float
        What the similarity of a neighbour is divided by before it weighs the vote.
    holdout_fraction : float
        Part of each client's training samples that the kNN monitor is watched on instead of
        drawing neighbours from. Views are made of all of them.
    probe_epochs : int
        Passes of the linear probe over the training samples in every evaluation; 0 for no
        probe.
    semi_supervised : bool
        Whether, after the last round, a small network is also trained on the labels of 1
        and of 10 % of the training samples.
    """

    version: Version
    batch: int = Field(ge=0, le=4096)
    pool: int = Field(ge=0)
    steps_per_round: int = Field(ge=0)
    learning_rate: float = Field(gt=0)
    client_learning_rate: float = Field(gt=0)
    client_schedule: ClientSchedule
    warmup_steps: int = Field(ge=0)
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    temperature: float = Field(gt=0)
    ema: float = Field(ge=0, le=1)
    memory_size: int = Field(ge=1, le=1_000_000)
    symmetric: Literal["auto", "on", "off"]
    projection_hidden: int = Field(ge=0, le=16384)
    projection_dim: int = Field(ge=0, le=16384)
    gradient_scale: GradientScale
    merge_passes: bool
    min_crop: float = Field(gt=0, le=1)
    flip: bool
    key_prefetch: bool
    expert: str
    cache_rounds: int = Field(ge=0)
    average_momentum: bool
    knn_neighbours: int = Field(ge=1)
    knn_temperature: float = Field(gt=0)
    holdout_fraction: float = Field(gt=0, lt=1)
    probe_epochs: int = Field(ge=0)
    semi_supervised: bool

    def follows_rounds(self) -> bool:
        """Follow them: step sizes fall over the run, and what is kept is forgotten at its end."""
        return True

    @field_validator("cache_rounds")
    @classmethod
    def _clients_that_train_are_not_cached(cls, value: int, info: ValidationInfo) -> int:
        if value and not info.data.get("expert"):
            raise PydanticCustomError(
                "trained", "Input should be 0 without an expert: clients that train go on changing"
            )
        return value

    @field_validator("average_momentum")
    @classmethod
    def _frozen_clients_average_nothing(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("expert"):
            raise PydanticCustomError(
                "frozen", "Input should be false with an expert, whose clients do not train"
            )
        return value

    def server_files(self) -> dict[str, str]:
        """Return the expert's file, where there is one."""
        return {"mocosfl.expert": self.expert} if self.expert else {}

    @property
    def frozen(self) -> bool:
        """Whether clients keep an expert's weights instead of training."""
        return bool(self.expert)


@final
@dataclass(frozen=True)
class Sampling:
    """Who takes part in a round, and with how much.

    Attributes
    ----------
    pool : int
        Logical clients of a round.
    batch : int
        Samples of each in one step.
    """

    pool: int
    batch: int


def sampling(settings: MocoSFLSettings, num_clients: int) -> Sampling:
    """Choose pool and batch.

    Parameters
    ----------
    settings : MocoSFLSettings
        What is not 0 in them wins; a pool larger than all clients is all of them.
    num_clients : int
        Logical clients to choose from (N), at least one.
    """
    # The authors' sampling ratio is 1 / (N // 100), here without the rounding of a ratio.
    chosen = settings.pool or num_clients // max(num_clients // _SAMPLES_PER_STEP, 1)
    pool = min(chosen, num_clients)
    return Sampling(pool, settings.batch or max(_SAMPLES_PER_STEP // pool, 1))


def steps_per_round(settings: MocoSFLSettings) -> int:
    """Return the optimiser steps between two synchronisations."""
    return settings.steps_per_round or _STEPS_PER_ROUND


def is_symmetric(settings: MocoSFLSettings) -> bool:
    """Tell whether each view is also the other's key."""
    if settings.symmetric == "auto":
        return settings.version == "v2"
    return settings.symmetric == "on"


def projection_hidden(settings: MocoSFLSettings) -> int:
    """Return the width of the head's hidden layer; 0 for none."""
    return settings.projection_hidden or (1024 if settings.version == "v2" else 0)


def projection_dim(settings: MocoSFLSettings) -> int:
    """Return the width of queries and keys."""
    return settings.projection_dim or (1024 if settings.version == "v2" else 128)
