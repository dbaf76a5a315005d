"""A device that sends nonsense is named and counted as failed; the round goes on."""

import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
import safetensors.torch
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from loopback import Federation
from torch import Tensor

from strategies.common.transport.envelope import read_blob

pytestmark = pytest.mark.federation

SCHEMA = "fedktl.prototypes"
TINY = {
    "method": "fedktl",
    "models": "cnn",
    "feature-dim": 32,
    "max-samples": 60,
    "rounds": 2,
    "fedktl.server-epochs": 5,
}
Change = Callable[[dict[str, Tensor], dict[str, str]], None]


def rewritten(content: RecordDict, change: Change) -> RecordDict:
    """Unpack the payload of a reply, change it, and pack it again."""
    blob = read_blob(content, SCHEMA, "test")
    (length,) = struct.unpack("<Q", blob[:8])
    stamp = json.loads(blob[8 : 8 + length])["__metadata__"]
    tensors = safetensors.torch.load(blob)
    change(tensors, stamp)
    return with_blob(content, safetensors.torch.save(tensors, metadata=stamp))


def with_blob(content: RecordDict, blob: bytes) -> RecordDict:
    array = Array("uint8", (len(blob),), "nectar.safetensors", blob)
    return RecordDict({**content, SCHEMA: ArrayRecord({"blob": array})})


Spoil = Callable[[RecordDict], RecordDict]


def _nan(tensors: dict[str, Tensor], stamp: dict[str, str]) -> None:
    tensors["rows"][0, 0] = float("nan")


def _wrong_shape(tensors: dict[str, Tensor], stamp: dict[str, str]) -> None:
    tensors["rows"] = tensors["rows"][:, :7].contiguous()


def _wrong_dtype(tensors: dict[str, Tensor], stamp: dict[str, str]) -> None:
    tensors["rows"] = tensors["rows"].double()


def _bad_label(tensors: dict[str, Tensor], stamp: dict[str, str]) -> None:
    tensors["labels"][0] = 10


def _negative_label(tensors: dict[str, Tensor], stamp: dict[str, str]) -> None:
    tensors["labels"][0] = -1


def _unknown_field(tensors: dict[str, Tensor], stamp: dict[str, str]) -> None:
    tensors["extra"] = torch.zeros(1)


def _missing_field(tensors: dict[str, Tensor], stamp: dict[str, str]) -> None:
    del tensors["labels"]


def _other_version(tensors: dict[str, Tensor], stamp: dict[str, str]) -> None:
    stamp["version"] = "1"


def _not_unit(tensors: dict[str, Tensor], stamp: dict[str, str]) -> None:
    tensors["rows"] *= 1000


def payload(change: Change) -> Spoil:
    return lambda content: rewritten(content, change)


def report(**changes: float | str | list[str] | list[int]) -> Spoil:
    def spoil(content: RecordDict) -> RecordDict:
        told = content["report"]
        assert isinstance(told, ConfigRecord)
        return RecordDict({**content, "report": ConfigRecord({**told, **changes})})

    return spoil


def _ten_times_too_large(content: RecordDict) -> RecordDict:
    return with_blob(content, read_blob(content, SCHEMA, "test") + bytes(50_000))


ROWS, LABELS = "fedktl.prototypes.rows", "fedktl.prototypes.labels"
# What a node does to its replies, and what it is then said to have done.
VILLAINS: dict[str, tuple[Spoil, list[str]]] = {
    "NaN": (payload(_nan), [ROWS, "finite", "NaN"]),
    "wrong shape": (payload(_wrong_shape), [ROWS, "width=10", ", 7)"]),
    "wrong dtype": (payload(_wrong_dtype), [ROWS, "torch.float32", "torch.float64"]),
    "bad label": (payload(_bad_label), [LABELS, "[0, 10)"]),
    "negative label": (payload(_negative_label), [LABELS, "[0, 10)", "-1"]),
    "unknown field": (payload(_unknown_field), [SCHEMA, "unknown field extra"]),
    "missing field": (payload(_missing_field), [SCHEMA, "missing field labels"]),
    "other version": (payload(_other_version), [SCHEMA, "version 2", "'version': '1'"]),
    "not of length 1": (payload(_not_unit), [ROWS, "length 1"]),
    "ten times too large": (_ten_times_too_large, ["expected at most", "bytes"]),
    "no payload": (
        lambda content: RecordDict({"report": content["report"]}),
        ["expected fedktl.prototypes, got no payload"],
    ),
    "stray payload": (
        lambda content: RecordDict({**content, "gift": ConfigRecord({"a": 1})}),
        ["expected fedktl.prototypes, got", "gift"],
    ),
    "NaN as loss": (report(loss=float("nan")), ["report.loss"]),
    "more right than there are": (report(correct=10_000), ["report.correct"]),
    "less than none right": (report(correct=-1), ["report.correct"]),
    "another round": (report(round_number=7), ["report.round_number"]),
    "a surprise": (report(surprise=1), ["report.surprise"]),
    "negative seconds": (report(train_s=-2.0), ["report.train_s"]),
    "a loss at the end of all numbers": (report(loss=1e308), ["report.loss", "1e+308"]),
    "a training loss of the same size": (
        report(**{"loss.total": -1e308}),
        ["report.losses.total", "-1e+308"],
    ),
    "seconds at the end of all numbers": (report(evaluate_s=1e308), ["report.evaluate_s"]),
    "a figure at the end of all numbers": (
        report(**{"figure.cpu_s": 1e308}),
        ["report.figures.cpu_s"],
    ),
    "more samples than a byte can count": (
        report(test_samples=2**62, correct=float(2**62)),
        ["report.test_samples"],
    ),
    "more samples than it came with": (
        report(
            test_samples=10**8,
            correct=1e8,
            class_samples=[10**7] * 10,
            class_hits=[10**7] * 10,
            class_predictions=[10**7] * 10,
        ),
        ["report.test_samples: expected about", "as in its description", "got 100000000"],
    ),
    "more weight than it came with": (
        report(train_samples=10**8),
        ["report.train_samples: expected about", "got 100000000"],
    ),
    "a state that nobody accepted": (report(continued_from=1), ["report.continued_from"]),
    "a name that rewrites the terminal": (
        report(**{"loss.\x1b[2J": 1.0}),
        ["report.losses.\\x1b[2J"],
    ),
    "a megabyte of notes": (report(notes=["x" * 1_000_000]), ["expected at most 16384 bytes"]),
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return the journal of a federation of two honest nodes and all villains."""
    names = [*VILLAINS]
    played = Federation(tmp_path_factory.mktemp("villains"), len(names) + 2, TINY)

    def tamper(node_id: int, reply: Message) -> Message:
        number = node_id - 100
        if number < len(names) and reply.metadata.message_type == "train":
            reply.content = VILLAINS[names[number]][0](reply.content)
        return reply

    played.grid.tamper = tamper
    return played.play()


@pytest.mark.parametrize("name", VILLAINS)
def test_what_is_spoilt_is_refused_with_its_place(lines: list[dict[str, Any]], name: str) -> None:
    client = [*VILLAINS].index(name)
    assert len(lines) == 2
    for line in lines:
        assert set(line["nodes"][str(client)]) == {"failure"}
        failure = line["nodes"][str(client)]["failure"]
        assert failure.isprintable()
        for word in (f"client {client}", *VILLAINS[name][1]):
            assert word in failure


def test_honest_nodes_go_on(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        honest = [node for node in line["nodes"].values() if "failure" not in node]
        assert len(honest) == 2
        assert all("accuracy" in node for node in honest)
