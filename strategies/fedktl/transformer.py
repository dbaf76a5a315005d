"""The feature transformer F: from prototypes to the generator's latent space."""

from typing import final

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
