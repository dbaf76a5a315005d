"""What a hostile client sends, and in which place of a message, a description or a stream.

Each attack is honest but for one thing that it changes: numbers of an upload, of a report or of a
description, or what it streams within a round. ``Everything`` is what the benchmark can
play, ``Sixteen`` what it plays unless told otherwise.
"""

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import local
from typing import Any, Final, Literal, final
from unittest.mock import patch

import safetensors.torch
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from torch import Tensor

from client_app.split.stream import StreamLane, StreamLink
from server_app.split.lanes import Lane
from server_app.split.loud import Loud
from server_app.split.turns import Turn
from strategies.common.split.wire import codec
from strategies.common.split.wire.frames import Split

Change = Callable[[Tensor], Tensor]
Kind = Literal["upload", "change", "report", "description", "activations", "keys", "survey"]
Told = Callable[[Mapping[str, Any]], Mapping[str, Any]]
Tensors = tuple[Tensor, ...]


def _filled(value: float) -> Change:
    return lambda tensor: torch.full_like(tensor, value)


def _times(factor: float) -> Change:
    return lambda tensor: tensor * factor


_VALUES: Final[Mapping[str, Change]] = {
    "1e3": _filled(1e3),
    "1e6": _filled(1e6),
    "1e10": _filled(1e10),
    "1e20": _filled(1e20),
    "3e38": _filled(3e38),
    "-3e38": _filled(-3e38),
}
_FACTORS: Final[Mapping[str, Change]] = {
    f"x{factor:g}": _times(factor) for factor in (-1.0, -10.0, -100.0, 10.0, 100.0)
}


def _with(**changes: object) -> Told:
    return lambda _: changes


def _all_right(samples: int) -> Told:
    return _with(test_samples=samples, correct=float(samples))


def _class_counts(told: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        name: [10**8 for _ in told[name]]
        for name in ("class_samples", "class_hits", "class_predictions")
        if name in told
    } or {"class_samples": [10**8]}


def _described(samples: int) -> Told:
    """Return what claims so many samples, with counts that add up to them."""

    def told(honest: Mapping[str, Any]) -> Mapping[str, Any]:
        counts = [0 for _ in honest["train_counts"]]
        return {
            "train_samples": samples,
            "train_counts": [samples, *counts[1:]] if counts else [],
        }

    return told


_REPORTS: Final[Mapping[str, Told]] = {
    "samples 1e6": _with(train_samples=10**6),
    "samples 1e8": _with(train_samples=10**8),
    "samples 2**62": _with(train_samples=2**62),
    "all of 1e8 right": _all_right(10**8),
    "all of 2**62 right": _all_right(2**62),
    "class counts 1e8": _class_counts,
    "loss 1e308": _with(loss=1e308),
    "seconds 1e308": _with(train_s=1e308),
}
_DESCRIPTIONS: Final[Mapping[str, Told]] = {
    "described 1e6": _described(10**6),
    "described 1e8": _described(10**8),
    "described 2**62": _described(2**62),
    "described clients 2**62": _with(clients=2**62),
}


@final
@dataclass(frozen=True)
class Attack:
    """One thing that a hostile client changes.

    Attributes
    ----------
    name : str
        As the benchmark prints it.
    kind : str
        Where: the whole upload, its change of what was sent, a report, a description, or the
        activations, keys and surveys of a stream.
    tensor : Callable[[Tensor], Tensor] | None
        What becomes of each floating-point tensor.
    told : Callable[[Mapping], Mapping] | None
        What is told instead of what was to be told.
    """

    name: str
    kind: Kind
    tensor: Change | None = None
    told: Told | None = None

    @property
    def streams(self) -> bool:
        """Whether it needs a stream to be sent by."""
        return self.kind in ("activations", "keys", "survey")


def _relabelled(classes: int) -> Change:
    return lambda labels: (labels + 1) % classes


_EVERY: Final = (
    *(Attack(name, "upload", tensor=change) for name, change in {**_VALUES, **_FACTORS}.items()),
    *(
        Attack(f"change {name}", "change", tensor=change)
        for name, change in _FACTORS.items()
        if name != "x-1"
    ),
    *(Attack(name, "report", told=told) for name, told in _REPORTS.items()),
    *(Attack(name, "description", told=told) for name, told in _DESCRIPTIONS.items()),
    *(
        Attack(f"{kind} {name}", kind, tensor=change)
        for kind in ("activations", "keys", "survey")
        for name, change in {**_VALUES, **_FACTORS}.items()
        if name in ("1e3", "1e6", "3e38", "x-1", "x-10", "x100")
    ),
    Attack("labels", "activations", tensor=_relabelled(10)),
)
Everything: Final[Mapping[str, Attack]] = {attack.name: attack for attack in _EVERY}


Sixteen: Final = (
    *("1e3", "1e10", "3e38", "x-10", "x100", "change x-10", "change x100"),
    *("samples 1e6", "samples 2**62", "all of 2**62 right", "class counts 1e8"),
    *("loss 1e308", "seconds 1e308", "described 1e8", "described 2**62", "described clients 2**62"),
    # Of methods that exchange activations.
    *("activations 1e3", "activations x-10", "activations 3e38", "keys x100", "survey x100"),
)


# What a run without the attack is compared by: nothing of the hostile client is taken in, where
# the attack would be.
_REFUSED: Final = _with(loss=float("nan"))
Nothing: Final[Mapping[str, Attack]] = {
    "upload": Attack("refused", "report", told=_REFUSED),
    "activations": Attack("left out", "activations"),
    "keys": Attack("left out", "keys"),
    "survey": Attack("no survey", "survey"),
}


def with_report(content: RecordDict, record: str, told: Told) -> RecordDict:
    """Return a reply that tells something else."""
    honest = content.config_records[record]
    return RecordDict({**content, record: ConfigRecord({**honest, **told(honest)})})


def with_upload(content: RecordDict, attack: Attack, sent: Mapping[int, Tensor]) -> RecordDict:
    """Return a reply with its floating-point tensors changed.

    Parameters
    ----------
    content : RecordDict
        An honest reply.
    attack : Attack
        What becomes of them.
    sent : Mapping[int, Tensor]
        Weights that went down, by their number; changes are told by them.
    """
    changed = dict(content)
    for schema, record in content.items():
        if not isinstance(record, ArrayRecord):
            continue
        blob = bytes(record["blob"].data)
        tensors = {
            name: _spoilt(value, attack, sent) if value.is_floating_point() else value
            for name, value in safetensors.torch.load(blob).items()
        }
        spoilt = safetensors.torch.save(tensors, metadata=_stamp(blob))
        array = Array("uint8", (len(spoilt),), "nectar.safetensors", spoilt)
        changed[schema] = ArrayRecord({"blob": array})
    return RecordDict(changed)


def weights_in(content: RecordDict) -> dict[int, Tensor]:
    """Return the vectors of a message by their length."""
    found = {}
    for record in content.values():
        if isinstance(record, ArrayRecord):
            for value in safetensors.torch.load(bytes(record["blob"].data)).values():
                if value.is_floating_point() and value.ndim == 1:
                    found[value.numel()] = value
    return found


def _spoilt(value: Tensor, attack: Attack, sent: Mapping[int, Tensor]) -> Tensor:
    assert attack.tensor is not None  # noqa: S101 - of uploads
    if attack.kind == "upload":
        return attack.tensor(value)
    # Where models are whole, what clients begin with does not travel.
    base = sent.get(value.shape[-1], torch.zeros_like(value))
    return base + attack.tensor(value - base)


def _stamp(blob: bytes) -> dict[str, str]:
    (length,) = struct.unpack("<Q", blob[:8])
    stamp: dict[str, str] = json.loads(blob[8 : 8 + length])["__metadata__"]
    return stamp


_unchecked = local()


@final
class _Streams:
    """What a node's end of the streams does instead, and what the server's does in a reference."""

    def __init__(self, attack: Attack, node: int, attacks_now: Callable[[], bool]) -> None:
        self._attack, self._node, self._now = attack, node, attacks_now
        self._send, self._survey = StreamLane.send, StreamLink.survey
        self._check, self._judge = codec.check_range, Loud.left_out

    def send(self, lane: StreamLane, step: int, tensors: Tensors) -> None:
        """Send other activations, unchecked."""
        if lane._where.startswith(f"node {self._node},") and self._now():
            tensors = _streamed(tensors, self._attack)
            _unchecked.now = True
        try:
            self._send(lane, step, tensors)
        finally:
            _unchecked.now = False

    def survey(self, link: StreamLink, client: int, split: Split, *samples: Tensor) -> None:
        """Send other samples, or none."""
        activations, labels = samples
        if client == self._node and self._now() and self._attack.kind == "survey":
            if self._attack.tensor is None:
                return
            activations = self._attack.tensor(activations)
        self._survey(link, client, split, activations, labels)

    def check(self, *told: Any) -> None:
        """Refuse nothing that the hostile node is about to send."""
        if not getattr(_unchecked, "now", False):
            self._check(*told)

    def judge(self, loud: Loud, turn: Turn, lanes: Mapping[int, Lane]) -> set[int]:
        """Leave the node out where nothing of it is to be taken in."""
        found = self._judge(loud, turn, lanes)
        nothing = self._attack.tensor is None and self._attack.kind != "survey"
        if nothing and self._node in turn.arrived and self._now():
            loud.refused.setdefault(self._node, "left out")
            found |= set(lanes[self._node].spec.clients)
        return found


@contextmanager
def streaming(attack: Attack, node: int, attacks_now: Callable[[], bool]) -> Iterator[None]:
    """Let one node stream something else, beyond what its own end would refuse to write.

    Parameters
    ----------
    attack : Attack
        Of a stream; others change nothing.
    node : int
        Whose streams.
    attacks_now : Callable[[], bool]
        Whether the round under way is one to attack in.
    """
    own = _Streams(attack, node, attacks_now)
    with ExitStack() as stack:
        if attack.streams:
            for owner, name, instead in (
                (StreamLane, "send", own.send),
                (StreamLink, "survey", own.survey),
                (codec, "check_range", own.check),
                (Loud, "left_out", own.judge),
            ):
                stack.enter_context(patch.object(owner, name, _plain(instead)))
        yield


def _plain(bound: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that a class makes a method of its own of."""

    def called(*told: Any) -> Any:
        return bound(*told)

    return called


def _streamed(tensors: Tensors, attack: Attack) -> Tensors:
    if attack.kind == "survey" or attack.tensor is None:
        return tensors
    if attack.name == "labels":
        return tuple(t if t.is_floating_point() else attack.tensor(t) for t in tensors)
    which: Sequence[int] = range(1, 2) if attack.kind == "keys" else range(len(tensors))
    return tuple(
        attack.tensor(t) if n in which and t.is_floating_point() else t
        for n, t in enumerate(tensors)
    )
