"""What halves hand to the core in a round, and what they get of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Generic, TypeVar, final

from torch import Tensor

from strategies.common.architecture import NO_MODEL, Architecture
from strategies.common.confusion import ConfusionCounts
from strategies.common.errors import WireError
from strategies.common.payload import Payload, rules_of

Uplink = TypeVar("Uplink", bound=Payload)


@final
@dataclass(frozen=True)
class Phase:
    """The payloads of a round.

    Attributes
    ----------
    up : type[Payload] | None
        What every reply must carry; ``None`` where nothing is uploaded.
    down : type[Payload] | None
        What a device may receive; a round without one brings nothing.
    """

    up: type[Payload] | None = None
    down: type[Payload] | None = None

    @property
    def follows_model(self) -> bool:
        """Whether what travels is as long as each client's own model says."""
        return any(kind is not None and kind.follows_model for kind in (self.up, self.down))


@final
@dataclass(frozen=True)
class Reply(Generic[Uplink]):
    """One client's upload with what weighs it.

    Attributes
    ----------
    partition : int
        Which client.
    samples : int
        Its training samples, at least 1.
    uplink : Uplink
        What it sent.
    architecture : Architecture
        What its model holds, where the upload follows that.
    """

    partition: int
    samples: int
    uplink: Uplink
    architecture: Architecture = NO_MODEL

    def check_counted(self) -> None:
        """Refuse a field that counts more samples than the client has.

        Raises
        ------
        WireError
            Naming field, expected and got.
        """
        for name, rule in rules_of(type(self.uplink)).items():
            counts: Tensor | None = getattr(self.uplink, name)
            if not rule.counts_samples or counts is None:
                continue
            if (told := sum(counts.tolist())) > self.samples:
                raise WireError(
                    f"client {self.partition}: {self.uplink.schema}.{name}: expected at most "
                    f"train_samples={self.samples} together, got {told}"
                )


@final
@dataclass(frozen=True)
class Trained(Generic[Uplink]):
    """What a client half brings home from local training.

    Attributes
    ----------
    uplink : Uplink | None
        Payload for the server.
    losses : Mapping[str, float]
        Mean training losses by name, for the journal.
    figures : Mapping[str, float]
        What it cost this device, by name, e.g. ``"step_ms"``.
    notes : tuple[str, ...]
        What a user should know of it.
    """

    uplink: Uplink | None
    losses: Mapping[str, float]
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def beside(self, losses: Mapping[str, float]) -> "Trained[Uplink]":
        """Return the same with more losses."""
        return replace(self, losses={**self.losses, **losses})


@final
@dataclass(frozen=True)
class Evaluation:
    """How a client's own model does on the client's own test split.

    Attributes
    ----------
    correct : float
        Samples classified correctly; where several answers are right, the sum of what the
        given ones are worth.
    loss : float
        Mean loss over the test samples.
    scores : Mapping[str, float]
        How other models of the client do on the same samples, by name, in [0, 1].
    classes : ConfusionCounts | None
        The same samples class by class; ``None`` where there are no classes that all clients
        share, or where nobody counted.
    """

    correct: float
    loss: float
    scores: Mapping[str, float] = field(default_factory=dict)
    classes: ConfusionCounts | None = None


@final
@dataclass(frozen=True)
class Picture:
    """One labelled image for the run's folder and report.

    Attributes
    ----------
    name : str
        File name without ending, e.g. ``"class-3"``.
    pixels : Tensor
        (3, height, width) uint8.
    """

    name: str
    pixels: Tensor


@final
@dataclass(frozen=True)
class Aggregated:
    """What a server half says of a round, for the journal and the report.

    Attributes
    ----------
    diagnostics : Mapping[str, float]
        Finite numbers by name.
    notes : tuple[str, ...]
        Plain sentences that the user should read, e.g. that a part did not learn.
    pictures : tuple[Picture, ...]
        Images drawn in this round.
    """

    diagnostics: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()

    def finite(self) -> "Aggregated":
        """Return the same without numbers that no journal can hold, which are named instead."""
        lost = sorted(n for n, value in self.diagnostics.items() if not isfinite(value))
        if not lost:
            return self
        kept = {name: value for name, value in self.diagnostics.items() if name not in lost}
        note = f"expected finite numbers, got others for {', '.join(lost)}, which are left out"
        return Aggregated(kept, (*self.notes, note), self.pictures)

    def joined(self, other: "Aggregated") -> "Aggregated":
        """Return what both say."""
        return Aggregated(
            {**self.diagnostics, **other.diagnostics},
            self.notes + other.notes,
            self.pictures + other.pictures,
        )
