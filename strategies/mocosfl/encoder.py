"""The server's part of the network: the rest of the backbone and the projection head."""

from typing import final

from torch import Tensor, nn
from torch.nn import functional


@final
class Encoder(nn.Module):
    """From activations of the cut to features and to unit vectors (S in the paper).

    Parameters
    ----------
    back : nn.Module
        From (samples, *latent) to pooled features (samples, feature_dim).
    head : nn.Module
        From features to (samples, dim).
    """

    def __init__(self, back: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.back = back
        self.head = head

    def features(self, activations: Tensor) -> Tensor:
        """Return pooled features (samples, feature_dim), which a linear probe reads."""
        features: Tensor = self.back(activations)
        return features

    def project(self, features: Tensor) -> Tensor:
        """Return unit vectors (samples, dim), which are contrasted."""
        return functional.normalize(self.head(features))

    def forward(self, activations: Tensor) -> Tensor:
        """Return the unit vectors of activations (samples, *latent): (samples, dim)."""
        return self.project(self.features(activations))
