"""Settings of DS-FL: the table ``dsfl``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.open_settings import OpenDataSettings
from strategies.common.settings import RunSettings


@final
class DSFLSettings(OpenDataSettings):
    """How answers become one, beside what all such methods set.

    Attributes
    ----------
    aggregation : str
        ``"era"``; ``"mean"`` is the simple aggregation (SA) that the paper compares with;
        ``"power"`` raises probabilities to ``power`` and normalises them.
    temperature : float
        Of ERA's softmax (T; 0.1 in the paper, for ten classes); smaller is sharper.
    power : float
        Of the enhanced rule (beta); 1 changes nothing.
    era_order : str
        ``"after_mean"`` sharpens the mean; ``"per_client"`` the outputs of each client.
    server_model : str
        The server's own model, which learns of open samples alone: one of ``models`` or of the
        zoo. Clients test it every ``evaluate-every`` rounds and in the last, as it was when the
        round began; empty keeps none.
    upload_top, upload_bits : int
        Likeliest classes that a client tells of each open sample, 0 for all, and bits of each
        probability; 32 are floating-point numbers. What is untold is taken as even.
    """

    aggregation: Literal["era", "mean", "power"]
    temperature: float = Field(gt=0)
    power: float = Field(ge=1)
    era_order: Literal["after_mean", "per_client"]
    server_model: str
    upload_top: int = Field(ge=0, le=10_000)
    upload_bits: Literal[1, 2, 3, 4, 6, 8, 12, 16, 32]

    def named_model(self, run: RunSettings) -> tuple[str, str]:  # noqa: ARG002
        """Return the server's own model, where it has one."""
        return "dsfl.server-model", self.server_model
