"""What FD, FAug and averaging of models send, in bits, from payloads as they travel.

The setting of FD's paper (Jeong et al., 2018, https://arxiv.org/abs/1811.11479, section 4): ten
labels, sixteen rounds, a model of 1,199,648 numbers, a generator of 1,493,520, three target
labels with five seeds each. Its figures count numbers of 32 bits and pixels of 8; a payload of
ours says its schema and lengths besides, and which labels it is about.

Run with ``python -m benchmarks.distillation_ledger``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from strategies import methods
from strategies.common.agreed import Agreed
from strategies.common.inputs import Images
from strategies.common.payload import Payload, rules_of
from strategies.common.payloads import numbers_of
from strategies.common.run_config import default_config, read_run
from strategies.common.task import Task
from strategies.common.wire import encode
from strategies.faug.gan import LabelledGenerator
from strategies.faug.wire import Generator, Seeds
from strategies.fd.wire import SoftLabels, Teacher
from strategies.fedavg.wire import GroupMean, Model

ROUNDS: Final = 16
CLASSES: Final = 10
TARGETS: Final = 3
_IMAGE: Final = Images(1, 28, 28)


@final
@dataclass(frozen=True)
class Sent:
    """What one device sends and receives in a whole run.

    Attributes
    ----------
    counted : int
        Bits of the numbers that the paper counts.
    travelled : int
        Bits of the payloads that carry them.
    """

    counted: int = 0
    travelled: int = 0

    def __add__(self, other: "Sent") -> "Sent":
        """Return both together."""
        return Sent(self.counted + other.counted, self.travelled + other.travelled)


def paper_model() -> nn.Module:
    """Return a network of the paper's size: two convolutions, two full layers, no biases."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, bias=False),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, bias=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(9216, 128, bias=False),
        nn.ReLU(),
        nn.Linear(128, CLASSES, bias=False),
    )


def ledger() -> Mapping[str, Sent]:
    """Return what each scheme sends, by its name."""
    every = torch.arange(CLASSES)
    rows = torch.full((CLASSES, CLASSES), 1 / CLASSES)
    model = paper_model()
    agreed = Agreed(
        Task(CLASSES, _IMAGE, 128),
        read_run(default_config()),
        methods.augmentation_settings(default_config()),
    )
    labels = every[-TARGETS:].repeat_interleave(agreed.settings.seeds_per_label)
    seeds = Seeds(torch.zeros(len(labels), 784, dtype=torch.uint8), labels)
    generator = Generator(*numbers_of(LabelledGenerator(agreed)), every)
    soft = _sent(SoftLabels(rows, every), Teacher(rows, every), times=ROUNDS)
    averaged = _sent(Model.of(model), GroupMean.of(model), times=ROUNDS)
    augmented = _sent(seeds, generator)
    return {
        "FD": soft,
        "FD+FAug": soft + augmented,
        "FL": averaged,
        "FL+FAug": averaged + augmented,
    }


def _sent(*payloads: Payload, times: int = 1) -> Sent:
    found = Sent()
    for one in payloads:
        counted = sum(_bits(one, name) for name in rules_of(type(one)))
        found += Sent(times * counted, times * 8 * len(encode(one, "float32")))
    return found


def _bits(payload: Payload, name: str) -> int:
    """Return the bits of a field, of which the paper's figures have no labels."""
    value: torch.Tensor = getattr(payload, name)
    return 0 if value.dtype == torch.int64 else 8 * value.numel() * value.element_size()


def main() -> None:
    """Print the ledger."""
    found = ledger()
    table = Table(title=f"One device, {ROUNDS} rounds, up and down")
    table.add_column("Scheme")
    for title in ("Counted, bits", "As sent, bits", "Overhead", "Times FD", "Times FD+FAug"):
        table.add_column(title, justify="right")
    for name, sent in found.items():
        table.add_row(
            name,
            f"{sent.counted:,}",
            f"{sent.travelled:,}",
            f"{sent.travelled / sent.counted - 1:.2%}",
            *(f"{sent.counted / found[other].counted:,.1f}" for other in ("FD", "FD+FAug")),
        )
    console = Console()
    console.print(table)
    console.print(
        "Control records and Flower's envelope come on top, about two kilobytes a message.",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
