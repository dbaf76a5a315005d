"""Toy features: classes around fixed directions, dealt to clients in turn."""

import torch

from strategies.mocosfl.features import Features


def feature_blobs(
    per_class: int, *, classes: int = 3, width: int = 8, noise: float = 0.3, seed: int = 0
) -> Features:
    """Draw features whose classes a line can tell apart; another seed draws other noise."""
    centres = torch.randn(classes, width, generator=torch.Generator().manual_seed(99))
    labels = torch.arange(classes).repeat_interleave(per_class)
    spread = torch.randn(len(labels), width, generator=torch.Generator().manual_seed(seed))
    return Features(centres[labels] + noise * spread, labels, torch.arange(len(labels)) % 2)
