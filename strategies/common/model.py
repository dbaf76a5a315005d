"""A client's model: a private feature extractor and a linear head."""

from typing import final

from torch import Tensor, nn


@final
class FeatureModel(nn.Module):
    """Any network body with its features pooled to a common width, and a linear head.

    Average pooling over the feature vector aligns unlike widths without parameters, as in
    HtFLlib (``BaseHeadSplit``): a wider vector becomes means of neighbours, a narrower one
    repeats its entries.

    Parameters
    ----------
    body : nn.Module
        Maps a batch of prepared inputs to (batch, body_width).
    body_width : int
        Width of the body's output.
    feature_dim : int
        Width of the pooled features; 0 keeps ``body_width``.
    num_classes : int
        Outputs of the head.
    """

    def __init__(
        self, body: nn.Module, *, body_width: int, feature_dim: int, num_classes: int
    ) -> None:
        super().__init__()
        self.feature_dim = feature_dim or body_width
        self.body = body
        same = self.feature_dim == body_width
        self.pool = nn.Identity() if same else nn.AdaptiveAvgPool1d(self.feature_dim)
        self.head = nn.Linear(self.feature_dim, num_classes)

    def features(self, inputs: Tensor) -> Tensor:
        """Return the features of prepared inputs: (batch, feature)."""
        pooled: Tensor = self.pool(self.body(inputs))
        return pooled

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits of prepared inputs: (batch, class)."""
        logits: Tensor = self.head(self.features(inputs))
        return logits
