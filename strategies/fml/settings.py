"""Settings of FML: the table ``fml``."""

from typing import final

from pydantic import Field

from strategies.common.mutual import MutualSettings


@final
class FMLSettings(MutualSettings):
    """How much labels count, beside how a client's two models teach each other.

    Attributes
    ----------
    label_weight : float
        Weight of the labels for the client's own model, against the meme's outputs (alpha in
        eq. 6; 1 learns from labels alone).
    meme_label_weight : float
        The same for the meme (beta in eq. 7).
    """

    label_weight: float = Field(ge=0, le=1)
    meme_label_weight: float = Field(ge=0, le=1)
