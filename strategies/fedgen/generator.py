"""The generator of features, G_w(y, noise), and what keeps its features apart."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.agreed import Agreed
from strategies.common.distances import distances
from strategies.fedgen.settings import FedGenSettings


@final
class FeatureGenerator(nn.Module):
    """One hidden layer from noise (batch, noise) and labels (batch,) to features (batch, width)."""

    def __init__(self, noise_dim: int, num_classes: int, hidden_dim: int, width: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.layers = nn.Sequential(
            nn.Linear(noise_dim + num_classes, hidden_dim),
            nn.BatchNorm1d(hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, width),
        )

    @staticmethod
    def of(agreed: Agreed) -> "FeatureGenerator":
        """Build the one that a run's settings and task ask for."""
        own, classes = agreed.settings, agreed.task.num_classes
        return FeatureGenerator(own.noise_dim, classes, own.hidden_dim, agreed.feature_dim)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Return features; labels are int64."""
        one_hot = functional.one_hot(labels, self.num_classes).to(noise)
        features: Tensor = self.layers(torch.cat([noise, one_hot], dim=1))
        return features

    def drawn(
        self, labels: Tensor, settings: FedGenSettings, order: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return noise, normal in the paper and uniform in its code, and the features of both.

        It is drawn on the CPU, and moved to where the labels lie.
        """
        draw = torch.randn if settings.mode == "paper" else torch.rand
        noise = draw(len(labels), settings.noise_dim, generator=order).to(labels.device)
        return noise, self(noise, labels)


def likeness(noise: Tensor, features: Tensor) -> Tensor:
    """Return how alike features are whose noise is not: (), in (0, 1], 1 where all are the same.

    The exponential of minus the mean over all pairs of the product of two distances: the mean
    square of noise (batch, noise) and the mean absolute value of features (batch, width).
    """
    apart = torch.cdist(features, features, p=1) / features.shape[1]
    noise_apart = distances(noise, noise).square() / noise.shape[1]
    return (-(noise_apart * apart).mean()).exp()
