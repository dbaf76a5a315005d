"""Settings of FedKTL: the table ``fedktl``."""

import math
from collections.abc import Callable
from typing import Annotated, Literal, final

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from strategies.common.errors import SettingsError
from strategies.common.settings import Settings

# A device bounds what it is willing to receive. The widest noise of today's diffusion models,
# 16 x 128 x 128, just fits.
MAX_IMAGES_PER_CLASS = 32
MAX_LATENT_DIM = 262_144

Auto = Literal["auto"]
Statistics = Literal["round", "running"]


def _auto_or_number(allowed: Callable[[float], bool], described: str) -> PlainValidator:
    # A union's own check would report one setting twice, under names that no one has given.
    def check(value: object) -> float | Auto:
        if value == "auto":
            return "auto"
        # Booleans are integers to Python.
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number) and allowed(number):
                return number
        raise PydanticCustomError("auto_or_number", f"Input should be 'auto' or {described}")

    return PlainValidator(check)


_AutoOrWeight = Annotated[
    float | Auto, _auto_or_number(lambda value: value >= 0, "a number of at least 0")
]
_AutoOrRate = Annotated[
    float | Auto, _auto_or_number(lambda value: value > 0, "a number greater than 0")
]


@final
class FedKTLSettings(Settings):
    """How clients learn and how the server aligns; letters are the paper's.

    ``"auto"`` takes what the authors use with the run's generator (``automatic.py``).

    Attributes
    ----------
    transfer_weight : float | str
        Weight of the transfer loss beside the classification loss (mu), or ``"auto"``: 100
        with a diffusion model, 50 with all others. 0 is FedKTL without a generator: the
        server trains no transformer, draws nothing and sends nothing.
    margin : float
        Angle in radians that ArcFace adds between a sample and its own class (m).
    scale : float
        Factor on the cosines before the softmax (s).
    monotone_margin : bool
        Keep ArcFace's target logit falling where angle and margin together pass 180
        degrees; the reference code lets it rise again there.
    freeze_batch_norm : bool
        Normalise generated images with the running statistics of the client's own samples
        and leave these untouched; otherwise generated images flow into the statistics.
    reset_transfer_head : bool
        Start the transfer head (h') from the same weights in every round, as the reference
        code does; otherwise each client keeps its own.
    alignment_weight : float | str
        Weight of the server's loss towards the class centroids beside the distribution
        loss (lambda), or ``"auto"``: 0.1 with StyleGAN, 0.01 with a diffusion model, 1 with
        StyleGAN-XL and all others.
    server_learning_rate : float | str
        Step size of the server's Adam (eta_S), or ``"auto"``: 0.1 with a diffusion model,
        0.01 with all others.
    server_epochs : int
        Passes over a round's prototypes (E_S).
    server_batch_size : int
        Prototypes per step (B_S).
    mmd_bandwidths : str
        Bandwidths of the distribution loss: ``"stylegan"`` is the authors' fixed set, made
        for W of StyleGAN; ``"median"`` follows the median distance between latents and
        works at any width; ``"auto"`` takes the first for StyleGAN and the second for all
        other generators.
    centroid_statistics : str
        What the transformer's batch normalisation uses when centroids are computed:
        ``"round"`` the statistics of all prototypes of the round, as in training;
        ``"running"`` the running averages, as the reference code does. Prototypes of few
        clients are so alike, and change so much between rounds, that averages lag far
        behind and centroids end up tens of times too long.
    project_centroids : str
        Scale latent centroids to the length sqrt(H), which noise of H components has,
        before images are drawn from them and before they are sent: ``"on"``, ``"off"``, or
        ``"auto"`` for generators whose latents are noise.
    images_per_class : int
        Images drawn from each class: the first from its centroid, the others from vectors
        close to it (``variations.py``).
    latent_dim : int
        Width of a latent vector (H); 0 takes the generator's, which the server tells devices.
    """

    transfer_weight: _AutoOrWeight
    margin: float = Field(ge=0, le=1.5)
    scale: float = Field(gt=0)
    monotone_margin: bool
    freeze_batch_norm: bool
    reset_transfer_head: bool
    alignment_weight: _AutoOrWeight
    server_learning_rate: _AutoOrRate
    server_epochs: int = Field(ge=1)
    server_batch_size: int = Field(ge=2)
    mmd_bandwidths: Literal["auto", "stylegan", "median"]
    centroid_statistics: Statistics
    project_centroids: Literal["auto", "on", "off"]
    images_per_class: int = Field(ge=1, le=MAX_IMAGES_PER_CLASS)
    latent_dim: int = Field(ge=0, le=MAX_LATENT_DIM)

    @property
    def chosen_transfer_weight(self) -> float:
        """Mu as a number: the server's order brings it where it was ``"auto"``."""
        if self.transfer_weight == "auto":
            raise SettingsError(
                "setting fedktl.transfer-weight: expected a number from the server, got 'auto'; "
                "server and devices must run the same version of the app"
            )
        return self.transfer_weight
