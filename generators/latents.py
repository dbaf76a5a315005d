"""What every generator asks of the latents it is handed."""

import torch
from torch import Tensor

from strategies.common.errors import GeneratorError


def check_latents(name: str, latents: Tensor, latent_dim: int) -> None:
    """Refuse latents that cannot be drawn from.

    Parameters
    ----------
    name : str
        Name of the generator, for the message.
    latents : Tensor
        Expected to be (count, latent) and finite.
    latent_dim : int
        Width of one latent vector.

    Raises
    ------
    GeneratorError
        If they have another shape or are not finite.
    """
    if latents.ndim != 2 or latents.shape[1] != latent_dim:
        raise GeneratorError(
            f"generator {name}: expected latents (count, {latent_dim}), got {tuple(latents.shape)}"
        )
    if not bool(torch.isfinite(latents).all()):
        raise GeneratorError(
            f"generator {name}: expected finite latents, got NaN or infinity; "
            f"what made them did not converge: lower its learning rate"
        )
