"""A device without Flower, disk or node config, for tests of client halves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from strategies.common import seeds
from strategies.common.inputs import inputs_of
from strategies.common.model import FeatureModel
from strategies.common.open_data import OpenData
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings
from strategies.common.split.link import Link
from strategies.common.task import Task

# Maps (number of values of one input, feature_dim) to a network body.
BodyBuilder = Callable[[int, int], nn.Module]


def tiny_body(input_values: int, feature_dim: int) -> nn.Module:
    """One hidden layer over the flattened input."""
    return nn.Sequential(nn.Flatten(), nn.Linear(input_values, feature_dim), nn.ReLU())


@final
@dataclass(frozen=True)
class FakeDevice:
    """One client in one round; satisfies ``strategies.common.device.Device``.

    Attributes
    ----------
    inputs, test_inputs : Tensor
        (samples, channels, height, width), uint8 or float32.
    labels, test_labels : Tensor
        (samples,) int64.
    num_classes, feature_dim : int
        Classes of the task and width of the model's features.
    settings : RunSettings
        General settings, e.g. from the fixture ``run_settings``.
    round_number, partition : int
        Which round of which client.
    open_inputs, open_classes : Tensor | None
        Open data, where there are any, and their labels.
    body : BodyBuilder
        Builds the model's body; its output is ``feature_dim`` wide.
    """

    inputs: Tensor
    labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor
    num_classes: int
    feature_dim: int
    settings: RunSettings
    round_number: int = 1
    partition: int = 0
    body: BodyBuilder = tiny_body
    open_inputs: Tensor | None = None
    open_classes: Tensor | None = None
    carried: "tuple[FakeDevice, ...]" = ()
    stream: Link | None = None

    @property
    def clients(self) -> "Sequence[FakeDevice]":
        """Logical clients of this node; itself unless others were given."""
        return self.carried or (self,)

    @property
    def link(self) -> Link:
        """The stream that the test gave."""
        assert self.stream is not None
        return self.stream

    @property
    def task(self) -> Task:
        """Shape of the task."""
        told = None if self.open_inputs is None else self.open_data.told
        return Task(self.num_classes, inputs_of(self.inputs), self.feature_dim, open_set=told)

    @property
    def open_data(self) -> OpenData:
        """The open data that the test gave."""
        assert self.open_inputs is not None
        return OpenData.of(self.open_inputs)

    def open_labels(self, unless: str) -> Tensor:
        """Return their labels."""
        assert self.open_classes is not None
        return self.open_classes

    @property
    def train(self) -> Samples:
        """Samples to learn from."""
        return Samples(self.inputs, self.labels)

    @property
    def test(self) -> Samples:
        """Samples that are never trained on."""
        return Samples(self.test_inputs, self.test_labels)

    @property
    def torch_device(self) -> torch.device:
        """Always the CPU."""
        return torch.device("cpu")

    def build_model(self, *, alike: bool = False) -> FeatureModel:
        """Build the model with weights fixed by seed and, unless all are alike, partition."""
        values, whose = self.inputs[0].numel(), seeds.EVERYONE if alike else self.partition
        with seeds.seeded(seeds.derive(self.settings.seed, "model", partition=whose)):
            return FeatureModel(
                self.body(values, self.feature_dim),
                body_width=self.feature_dim,
                feature_dim=self.feature_dim,
                num_classes=self.num_classes,
            )

    def generator(self, purpose: str) -> torch.Generator:
        """Return randomness for a purpose in this round of this client."""
        return seeds.generator(
            self.settings.seed,
            purpose,
            round_number=self.round_number,
            partition=self.partition,
        )


def blobs(
    per_class: int,
    classes: Sequence[int],
    *,
    shape: tuple[int, int, int] = (1, 4, 4),
    noise: float = 0.3,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Draw a toy problem: each class is one fixed random picture plus noise.

    Parameters
    ----------
    per_class : int
        Samples of each class.
    classes : Sequence[int]
        Labels to draw; a class has the same picture whatever other classes are drawn.
    shape : tuple[int, int, int]
        (channels, height, width).
    noise : float
        Spread of the noise; the pictures have spread 1.
    seed : int
        Another seed draws other noise around the same pictures.

    Returns
    -------
    tuple[Tensor, Tensor]
        (samples, channels, height, width) float32 and (samples,) int64.
    """
    inputs, labels = [], []
    for label in classes:
        centre = torch.randn(shape, generator=seeds.generator(0, f"picture-{label}"))
        spread = torch.randn(per_class, *shape, generator=seeds.generator(seed, f"noise-{label}"))
        inputs.append(centre + noise * spread)
        labels.append(torch.full((per_class,), label, dtype=torch.int64))
    return torch.cat(inputs), torch.cat(labels)
