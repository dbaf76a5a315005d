"""FAug on a device: what it lacks, which samples it uploads, and what it generates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.errors import DataError
from strategies.common.samples import Samples
from strategies.faug.gan import LabelledGenerator
from strategies.faug.settings import FAugSettings
from strategies.faug.wire import Generator, Seeds


@final
@dataclass(frozen=True)
class Lacking:
    """Labels of a client.

    Attributes
    ----------
    counts, targets, redundant : Tensor
        (class,) int64 training samples; and labels, (targets,) and (redundant,) int64: what it
        lacks (L_t), and names beside that (L_r).
    """

    counts: Tensor
    targets: Tensor
    redundant: Tensor

    @staticmethod
    def of(counts: Tensor, settings: FAugSettings, order: torch.Generator) -> "Lacking":
        """Find the target labels, and draw redundant ones of those that are held."""
        scarce = counts < settings.target_below * counts.max()
        held = (~scarce & (counts > 0)).nonzero().flatten()
        number = settings.redundant_labels if scarce.any() else 0
        drawn = held[torch.randperm(len(held), generator=order)[:number]]
        return Lacking(counts, scarce.nonzero().flatten(), drawn)

    def missing(self, known: Tensor) -> Tensor:
        """Return how many samples (class,) int64 bring each known label up to the commonest."""
        lacking = torch.zeros_like(self.counts)
        lacking[known] = (self.counts.max() - self.counts)[known]
        return lacking

    def leaks(self, known: Tensor) -> Mapping[str, float]:
        """Return the privacy leakage to the server, and to devices that know all seeds' labels."""
        own = len(self.targets)
        union = len({*known.tolist(), *self.targets.tolist()})
        seen = {"leak_to_server": own + len(self.redundant), "leak_to_devices": union}
        return {name: own / among if own else 0.0 for name, among in seen.items()}


def seeds_of(samples: Samples, lacking: Lacking, number: int, order: torch.Generator) -> Seeds:
    """Draw so many samples to upload of each target and redundant label, or all there are.

    Raises
    ------
    DataError
        If they are not images of bytes.
    """
    if samples.inputs.dtype != torch.uint8 or samples.inputs.ndim != 4:
        raise DataError(
            f"setting augmentation: expected images of bytes for faug, as files and most "
            f"collections have them, got {samples.inputs.dtype} of shape "
            f"{tuple(samples.inputs.shape[1:])}; set it to none"
        )
    drawn = samples.rows(torch.arange(0))
    for label in sorted([*lacking.targets.tolist(), *lacking.redundant.tolist()]):
        drawn = drawn.joined(samples.of_label(label).drawn(number, order))
    return Seeds(drawn.inputs.flatten(1), drawn.labels)


def generated(
    sent: Generator, lacking: Lacking, agreed: Agreed, randomness: torch.Generator
) -> Samples:
    """Generate (generated, channels, height, width) uint8 images of what a client lacks."""
    missing, shape = lacking.missing(sent.labels), agreed.task.inputs.shape
    wanted = torch.arange(len(missing)).repeat_interleave(missing)
    images = sent.into(LabelledGenerator(agreed)).drawn(wanted, randomness)
    return Samples(images.view(-1, *shape), wanted)
