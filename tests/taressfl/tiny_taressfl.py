"""Small images, a small client model and settings for tests of TAResSFL."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from strategies.common import seeds
from taressfl.intercept import Pairs, as_sent, intercept
from taressfl.settings import AttackSettings, PretrainingSettings

CPU = torch.device("cpu")
Value = bool | int | float | str


def nothing() -> None:
    """Say nothing of progress."""


def bars(count: int, seed: int = 0) -> Tensor:
    """Draw uint8 pictures (count, 1, 8, 8): each a bright bar of random place on the dark."""
    generator = seeds.generator(seed, "bars")
    places = torch.randint(0, 7, (count,), generator=generator)
    upright = torch.rand(count, generator=generator) < 0.5
    bright = torch.randint(120, 256, (count,), generator=generator)
    pictures = torch.zeros(count, 1, 8, 8)
    for row in range(count):
        where = slice(int(places[row]), int(places[row]) + 2)
        pictures[row, 0, :, where] = float(bright[row])
        if upright[row]:
            pictures[row] = pictures[row].transpose(1, 2).clone()
    return pictures.to(torch.uint8)


def plain_front(seed: int = 0) -> nn.Module:
    """Build an undefended client model: (n, 1, 8, 8) to (n, 4, 4, 4)."""
    with seeds.seeded(seed):
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, stride=2, padding=1)
        )


def pairs(front: nn.Module, count: int, seed: int) -> Pairs:
    """Let a client model see bars, and keep what it says of them."""
    return intercept(front, bars(count, seed), as_sent, CPU)


def attack_settings(**changes: Value) -> AttackSettings:
    """Return settings of a short attack."""
    chosen: Mapping[str, Value] = {
        "decoders": "res_normN0C16",
        "repetitions": 1,
        "epochs": 12,
        "batch": 8,
        "learning_rate": 0.01,
        "validation": 0.1,
        "small": "dense_C8",
        "informed_steps": 10,
        "refinement_steps": 0,
        "threshold": 0.02,
    }
    return AttackSettings.model_validate({**chosen, **changes})


def pretraining_settings(**changes: Value) -> PretrainingSettings:
    """Return settings of a short pretraining."""
    chosen: Mapping[str, Value] = {
        "epochs": 2,
        "batch": 8,
        "learning_rate": 0.03,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "ssim_target": 0.3,
        "ssim_weight": 2.0,
        "decoder": "res_normN0C8",
        "decoders": 2,
        "decoder_steps": 2,
        "decoder_learning_rate": 0.003,
        "decoder_lifetime": 0,
    }
    return PretrainingSettings.model_validate({**chosen, **changes})
