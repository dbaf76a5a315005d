"""Settings of FML: the table ``fml``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.auxiliary import AuxiliarySettings


@final
class FMLSettings(AuxiliarySettings):
    """How a client's two models teach each other, beside which model the meme is.

    Attributes
    ----------
    label_weight : float
        Weight of the labels for the client's own model, against the meme's outputs (alpha in
        eq. 6; 1 learns from labels alone).
    meme_label_weight : float
        The same for the meme (beta in eq. 7).
    detach : bool
        Whether a teacher learns nothing from teaching; false is HtFLlib's.
    reduction : str
        A divergence is the mean over the ``"batch"``, or over all its ``"entries"`` (HtFLlib).
    max_norm : float
        Largest gradient norm of each model; 0 does not clip.
    aggregation : str
        Memes weigh alike (``"uniform"``), or by training ``"samples"``.
    """

    label_weight: float = Field(ge=0, le=1)
    meme_label_weight: float = Field(ge=0, le=1)
    detach: bool
    reduction: Literal["batch", "entries"]
    max_norm: float = Field(ge=0)
    aggregation: Literal["uniform", "samples"]
