"""The journal of a run, ``rounds.jsonl``: what one line holds.

Lines are written from these classes and read back into them, so that this is the one
description of the file. ``round_record.py`` gathers what a line says while a round takes place.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal, final

from pydantic import ConfigDict, Discriminator, Field, Tag

from server_app.schema import STRICT, Schema

# What lines and clients' entries of older runs lack, and what held then: no samples were held out
# and classes not told apart, models not judged beside each other, and before that only devices
# tested and no figures were told.
_NOT_TOLD: Final[Mapping[str, object]] = {
    "macro_f1": None,
    "validation_accuracy": None,
    "validation_loss": None,
}
_NO_SCORES: Final[Mapping[str, object]] = {"tested_by": "device", "figures": {}, "scores": {}}


@final
@dataclass(frozen=True)
class NodeLine:
    """What one client whose reply counts did in one round.

    Attributes
    ----------
    accuracy, loss : float | None
        Of the client's own model on its own test split, after training; ``None`` where nobody
        tested it.
    macro_f1 : float | None
        Of the same test, as ``ConfusionCounts.macro_f1``; ``None`` where classes are unknown.
    validation_accuracy, validation_loss : float | None
        Of the same model on training samples held out; ``None`` where none are.
    tested_by : str
        ``"device"``, or ``"server"`` where that holds the rest of the network.
    train_samples, test_samples : int
        Samples behind the numbers.
    model : str
        Name of its architecture.
    took_part : bool
        Whether the client trained; otherwise it was evaluated alone.
    uplink_bytes, downlink_bytes, payload_bytes : int, int, Mapping[str, int]
        What crossed the network for this client, and the part of each payload by direction and
        schema, e.g. ``"up/fd.logits"``.
    seconds : Mapping[str, float]
        Time on the device by phase, with ``"total"``.
    scores : Mapping[str, float]
        How other models of the client do on the same samples, by name.
    losses : Mapping[str, float]
        Mean training losses by name.
    figures : Mapping[str, float]
        What the round cost the device, by name.
    continued_from : int
        Round whose state the client started from; 0 for none.
    notes : tuple[str, ...]
        What the device has to say; not trusted.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    accuracy: float | None
    loss: float | None
    macro_f1: float | None
    validation_accuracy: float | None
    validation_loss: float | None
    tested_by: Literal["device", "server"]
    train_samples: int
    test_samples: int
    model: str
    took_part: bool
    uplink_bytes: int
    downlink_bytes: int
    payload_bytes: Mapping[str, int]
    seconds: Mapping[str, float]
    scores: Mapping[str, float]
    losses: Mapping[str, float]
    figures: Mapping[str, float]
    continued_from: int
    notes: tuple[str, ...]


@final
@dataclass(frozen=True)
class FailureLine:
    """Why a client's reply does not count.

    Attributes
    ----------
    failure : str
        The reason; not trusted.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    failure: str


@final
@dataclass(frozen=True)
class TrafficLine:
    """What crossed the network for a client without a reply that counts.

    Attributes
    ----------
    uplink_bytes, downlink_bytes, payload_bytes : int, int, Mapping[str, int]
        As of ``NodeLine``.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    uplink_bytes: int
    downlink_bytes: int
    payload_bytes: Mapping[str, int]


def _kind(entry: object) -> str:
    """Tell which of the two a client's entry is, in the file or in memory."""
    failed = isinstance(entry, FailureLine) or (isinstance(entry, Mapping) and "failure" in entry)
    return "failed" if failed else "replied"


Entry = Annotated[
    Annotated[NodeLine, Tag("replied")] | Annotated[FailureLine, Tag("failed")],
    Discriminator(_kind),
]


@final
@dataclass(frozen=True)
class RoundLine:
    """One line of the journal.

    Attributes
    ----------
    round_number : int
        From 1.
    method, classified_by : str, str
        Name of the method, and what picks a class in its tests, as ``Presentation`` has it.
    seconds : Mapping[str, float]
        Time on the server by phase, with ``"total"``.
    accuracy, loss, accuracy_std : float | None
        Means over the clients that reported, weighted by test samples, and the standard
        deviation of the accuracy over them; ``None`` where none did.
    macro_f1, class_accuracy : float | None, tuple[float | None, ...]
        Over the test samples of all these clients together: mean F1 score of the classes, and
        accuracy by class, ``None`` for one without samples. ``None`` and empty unless all of them
        told their class counts.
    validation_accuracy, validation_loss : float | None
        Means over the clients that hold samples out, weighted by those; ``None`` where none do.
    scores : Mapping[str, float]
        Means of the clients' other scores by name, weighted by test samples.
    diagnostics, notes : Mapping[str, float], tuple[str, ...]
        What the server half measured and has to say.
    nodes : Mapping[int, NodeLine | FailureLine]
        Clients by number.
    aside : Mapping[int, TrafficLine]
        By number, clients that sent or were sent something before the round, and have no reply
        in it that counts: they failed, or were not asked.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    round_number: Annotated[int, Field(alias="round", ge=0)]
    method: str
    classified_by: str
    seconds: Mapping[str, float]
    accuracy: float | None
    loss: float | None
    accuracy_std: float | None
    macro_f1: float | None
    class_accuracy: tuple[float | None, ...]
    validation_accuracy: float | None
    validation_loss: float | None
    scores: Mapping[str, float]
    diagnostics: Mapping[str, float]
    notes: tuple[str, ...]
    nodes: Mapping[int, Entry]
    aside: Mapping[int, TrafficLine]

    @property
    def num_tested(self) -> int:
        """Of how many clients the mean accuracy is."""
        return sum(node.accuracy is not None for node in self.answered.values())

    @property
    def answered(self) -> Mapping[int, NodeLine]:
        """Clients whose reply counts, by number, sorted."""
        return {c: node for c, node in sorted(self.nodes.items()) if isinstance(node, NodeLine)}

    @property
    def failures(self) -> Mapping[int, str]:
        """Reason by client, sorted."""
        nodes = sorted(self.nodes.items())
        return {c: node.failure for c, node in nodes if isinstance(node, FailureLine)}

    @property
    def uplink_bytes(self) -> int:
        """Bytes from all clients together."""
        return sum(own.uplink_bytes for own in self._traffic)

    @property
    def downlink_bytes(self) -> int:
        """Bytes to all clients together."""
        return sum(own.downlink_bytes for own in self._traffic)

    @property
    def unanswered(self) -> Mapping[int, tuple[str | None, TrafficLine | None]]:
        """Why a client failed, and what crossed for it all the same, where either is known.

        Sorted, by number.
        """
        failures = self.failures
        numbers = sorted({*failures, *self.aside})
        return {c: (failures.get(c), self.aside.get(c)) for c in numbers}

    @property
    def payloads(self) -> list[Mapping[str, int]]:
        """Bytes by direction and record, of each client for which some crossed."""
        return [own.payload_bytes for own in self._traffic]

    @property
    def _traffic(self) -> list[NodeLine | TrafficLine]:
        return [*self.answered.values(), *self.aside.values()]

    @property
    def mean_losses(self) -> dict[str, float]:
        """Training losses by name, means over clients that trained, weighted by their samples."""
        nodes = [n for n in self.answered.values() if n.took_part and n.train_samples]
        means = {}
        for name in dict.fromkeys(name for node in nodes for name in node.losses):
            told = [(n.losses[name], n.train_samples) for n in nodes if name in n.losses]
            means[name] = sum(loss * count for loss, count in told) / sum(n for _, n in told)
        return means


_SCHEMA = Schema(RoundLine)


def write_round(line: RoundLine) -> str:
    """Return a line as the journal has it, without its end.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    return json.dumps(_SCHEMA.to_json(line), allow_nan=False)


def read_round(value: object, where: str) -> RoundLine:
    """Read one line of the journal that was parsed from JSON.

    Parameters
    ----------
    value : object
        What the line holds.
    where : str
        The place, for the error message.

    Raises
    ------
    RunFolderError
        If a key is missing, unknown or of the wrong type.
    """
    return _SCHEMA.read(_completed(value), where)


def _completed(value: object) -> object:
    """Add to a line of an older run what was not written then."""
    if not isinstance(value, Mapping):
        return value
    value = {"classified_by": "", "aside": {}, **value}
    if "macro_f1" in value:
        return value
    oldest = "scores" not in value
    line: dict[str, Any] = {**_NOT_TOLD, "class_accuracy": (), **({"scores": {}} if oldest else {})}
    line |= value
    lacking = {**_NOT_TOLD, **(_NO_SCORES if oldest else {})}
    nodes = line.get("nodes")
    if isinstance(nodes, Mapping):
        line["nodes"] = {c: _completed_entry(entry, lacking) for c, entry in nodes.items()}
    return line


def _completed_entry(entry: object, lacking: Mapping[str, object]) -> object:
    if not isinstance(entry, Mapping) or "failure" in entry:
        return entry
    return {**lacking, **entry}
