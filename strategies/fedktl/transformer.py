"""The feature transformer F: from prototypes to the generator's latent space."""

from typing import final

import torch
from torch import Tensor, nn


@final
class FeatureTransformer(nn.Module):
    """Linear, batch normalisation, ReLU, linear.

    Parameters
    ----------
    num_classes : int
        Width of a prototype (K = C).
    latent_dim : int
        Width of a latent vector (H).
    """

    def __init__(self, num_classes: int, latent_dim: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.layers = nn.Sequential(
            nn.Linear(num_classes, num_classes),
            nn.BatchNorm1d(num_classes),
            nn.ReLU(),
            nn.Linear(num_classes, latent_dim),
        )

    def forward(self, prototypes: Tensor) -> Tensor:
        """Map prototypes (batch, class) to latent vectors (batch, latent)."""
        vectors: Tensor = self.layers(prototypes)
        return vectors

    @torch.no_grad()
    def measure(self, prototypes: Tensor) -> None:
        """Normalise, in evaluation mode, by the statistics of these prototypes.

        The result for them is then what training mode gives with all of them in one batch.
        A lone prototype has no spread to be measured and changes nothing.

        Parameters
        ----------
        prototypes : Tensor
            (prototypes, class).
        """
        if len(prototypes) < 2:
            return
        first, norm = self.layers[0], self.layers[1]
        spread, mean = torch.var_mean(first(prototypes), dim=0, correction=0)
        norm.load_state_dict({"running_mean": mean, "running_var": spread}, strict=False)
