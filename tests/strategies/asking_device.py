"""A device with questions, and a foundation model to answer them with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import torch

from strategies.common import seeds
from strategies.common.adapters.foundation import bottleneck_foundation
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.agreed import Need
from strategies.common.inputs import Images
from strategies.common.provided import Provided
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings, Settings
from strategies.common.task import Foundation, Task
from tests.strategies.tiny_backbone import SIDE, TinyBackbone

ANSWERS = ("dark", "bright", "yes")


def questions(count: int, seed: int) -> Samples:
    """Return pictures that are dark or bright, each with the question which of both it is."""
    randomness = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    noise = torch.randint(0, 60, (count, 3, SIDE, SIDE), generator=randomness)
    inputs = (noise + 180 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    return Samples(inputs, labels, ("what colour is it ?",) * count)


@final
@dataclass(frozen=True)
class AskingDevice:
    """One client in one round; satisfies ``strategies.common.device.AdapterDevice``."""

    settings: RunSettings
    partition: int = 0
    round_number: int = 1
    train: Samples = field(default_factory=lambda: questions(12, 0))
    test: Samples = field(default_factory=lambda: questions(6, 1))
    num_answers: int = len(ANSWERS)
    backbone: TinyBackbone = field(default_factory=TinyBackbone)
    rank: int = 2
    places: Foundation | None = None

    @property
    def task(self) -> Task:
        """Shape of the task."""
        foundation = self.places or bottleneck_foundation(self.backbone, self.rank)
        return Task(self.num_answers, Images(3, SIDE, SIDE), self.backbone.feature_dim, foundation)

    @property
    def torch_device(self) -> torch.device:
        """Where to compute."""
        return torch.device("cpu")

    @property
    def clients(self) -> "Sequence[AskingDevice]":
        """Itself."""
        return (self,)

    def generator(self, purpose: str) -> torch.Generator:
        """Return randomness for a purpose in this round of this client."""
        return seeds.generator(
            self.settings.seed, purpose, round_number=self.round_number, partition=self.partition
        )


def provided(
    run: RunSettings, settings: Settings, adapters: AdapterSettings, task: Task | None = None
) -> Provided:
    """Return what a half of a method with adapters gets; of a task, if the clients agreed."""
    given = Provided(run, settings, torch.device("cpu"), {Need.ADAPTERS: adapters})
    if task is not None:
        given.agree(task)
    return given
