"""Settings of FedKTL: the table ``fedktl``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.settings import Settings


@final
class FedKTLSettings(Settings):
    """How clients learn and how the server aligns; letters are the paper's.

    Attributes
    ----------
    transfer_weight : float
        Weight of the transfer loss beside the classification loss (mu); the authors use 50
        with StyleGAN and 100 with Stable Diffusion.
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
    alignment_weight : float
        Weight of the server's loss towards the class centroids beside the distribution
        loss (lambda); the authors use 1 with StyleGAN-XL, 0.1 with StyleGAN3 and 0.01 with
        Stable Diffusion.
    server_learning_rate : float
        Step size of the server's Adam (eta_S); the authors use 0.01 with StyleGAN and 0.1
        with Stable Diffusion.
    server_epochs : int
        Passes over a round's prototypes (E_S).
    server_batch_size : int
        Prototypes per step (B_S).
    mmd_bandwidths : str
        Bandwidths of the distribution loss: ``"stylegan"`` is the authors' fixed set, made
        for W of StyleGAN; ``"median"`` follows the median distance between latents and
        works at any width; ``"auto"`` takes the first for StyleGAN and the second for all
        other generators.
    """

    transfer_weight: float = Field(ge=0)
    margin: float = Field(ge=0, le=1.5)
    scale: float = Field(gt=0)
    monotone_margin: bool
    freeze_batch_norm: bool
    reset_transfer_head: bool
    alignment_weight: float = Field(ge=0)
    server_learning_rate: float = Field(gt=0)
    server_epochs: int = Field(ge=1)
    server_batch_size: int = Field(ge=2)
    mmd_bandwidths: Literal["auto", "stylegan", "median"]
