"""Settings of StyleGAN generators: the table ``stylegan``."""

from typing import final

from pydantic import Field

from strategies.common.settings import Settings


@final
class StyleGANSettings(Settings):
    """How a StyleGAN file is used.

    Attributes
    ----------
    truncation_psi : float
        How far the latents that prototypes are aligned with stay from their mean; FedKTL's
        authors use 1, which leaves them as they are.
    batch_size : int
        Images drawn at once; 0 is one on a CPU, where an image is then the same to the last
        bit whatever is drawn beside it, and what fits into free memory on a GPU.
    sha256 : str
        Expected SHA-256 of the file; empty for any.
    """

    truncation_psi: float = Field(ge=0, le=2)
    batch_size: int = Field(ge=0, le=1024)
    sha256: str = Field(pattern="^([0-9a-fA-F]{64})?$")
