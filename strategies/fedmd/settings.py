"""Settings of FedMD: the table ``fedmd``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.open_settings import OpenDataSettings


@final
class FedMDSettings(OpenDataSettings):
    """What a client learns before it speaks, and whose answers count.

    Attributes
    ----------
    pretrain_epochs : int
        Passes over the *labelled* open samples before a client's first turn; with 0 nobody reads
        their labels.
    weights : str
        Of the clients' logits (c_k in algorithm 1): ``"equal"``, or by their training
        ``"samples"``.
    """

    pretrain_epochs: int = Field(ge=0)
    weights: Literal["equal", "samples"]
