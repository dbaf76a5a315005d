"""What a program that draws runs is told: one interface, and one list of numbers for all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, final

from server_app.journal import RoundLine
from strategies.common.run_config import RunConfig
from strategies.methods import METHODS, reads

FINAL_ACCURACY: Final = "final/accuracy"
# Where a run is played and kept is the machine's own business: no other learns of it.
_PLACES: Final = frozenset(
    {
        *("runs-dir", "state-dir", "run-name", "resume", "resume-from"),
        *("compare-with", "writers"),
        *("split.host", "split.port", "split.advertise", "split.certificate", "split.key"),
    }
)


@final
@dataclass(frozen=True)
class Summary:
    """How a run ended.

    Attributes
    ----------
    finished : bool
        Whether it came to its end; otherwise it failed.
    rounds : int
        Last complete round.
    accuracy : float | None
        Mean accuracy of the last round in which a client reported one; ``None`` where none did.
    """

    finished: bool
    rounds: int
    accuracy: float | None


class RoundWriter(Protocol):
    """A program that draws runs, told of one run.

    Whatever it raises ends its own part and never the run.
    """

    @property
    def told_as(self) -> str:
        """Its own name of the run, once begun; empty where it keeps all in the run's folder."""

    def begin(self, settings: RunConfig) -> None:
        """Take note of a run before its first round, or of one that is gone on with.

        Parameters
        ----------
        settings : RunConfig
            What the run is played with, as ``told_settings`` returns it.
        """

    def round(self, line: RoundLine, pictures: Mapping[str, Path]) -> None:
        """Take note of a complete round.

        Parameters
        ----------
        line : RoundLine
            The round.
        pictures : Mapping[str, Path]
            PNG files of what was drawn in it, by name.
        """

    def end(self, summary: Summary) -> None:
        """Finish; nothing is told afterwards."""


def told_settings(config: RunConfig) -> dict[str, bool | int | float | str]:
    """Return the settings that shape a run's numbers: those that its method reads, no places."""
    method = str(config["method"])
    return {
        key: value
        for key, value in sorted(config.items())
        if key not in _PLACES and (method not in METHODS or reads(method, key))
    }


def scalars(line: RoundLine) -> dict[str, float]:
    """Return a round's numbers by the name that all programs know them by.

    No name is the beginning of another up to a slash, since some programs make folders of them.
    """
    return dict(_scalars(line))


def _scalars(line: RoundLine) -> Iterator[tuple[str, float]]:
    means = {
        "accuracy/mean": line.accuracy,
        "accuracy/std": line.accuracy_std,
        "accuracy/validation": line.validation_accuracy,
        "macro_f1/pooled": line.macro_f1,
        "loss/mean": line.loss,
        "loss/validation": line.validation_loss,
    }
    yield from ((name, value) for name, value in means.items() if value is not None)
    accuracies = {c: n.accuracy for c, n in line.answered.items() if n.accuracy is not None}
    if accuracies:
        yield "accuracy/worst", min(accuracies.values())
    for client, accuracy in accuracies.items():
        yield f"accuracy/client-{client}", accuracy
    yield from _training_losses(line)
    yield "bytes/up", line.uplink_bytes
    yield "bytes/down", line.downlink_bytes
    for phase, seconds in line.seconds.items():
        yield f"seconds/{phase}", seconds
    for name, value in line.diagnostics.items():
        yield f"diagnostics/{name}", value


def _training_losses(line: RoundLine) -> Iterator[tuple[str, float]]:
    """Yield each loss of each client that trained, and its mean weighted by training samples."""
    trained = {c: n for c, n in line.answered.items() if n.took_part and n.train_samples}
    for name, mean in line.mean_losses.items():
        # What clients minimise is the training loss; the parts that it is made of have names.
        place = "loss/train" if name == "total" else f"loss/train-{name}"
        yield f"{place}/mean", mean
        for client, node in trained.items():
            if name in node.losses:
                yield f"{place}/client-{client}", node.losses[name]
