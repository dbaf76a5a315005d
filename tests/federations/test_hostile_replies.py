"""A device that sends nonsense is named and counted as failed; the round goes on."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from loopback import Federation
from torch import Tensor

from strategies.common.transport.envelope import read_blob

pytestmark = pytest.mark.federation

SCHEMA = "fedktl.prototypes"
VILLAIN = 101
TINY = {
    "method": "fedktl",
    "models": "cnn",
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


def play_with(folder: Path, spoil: Callable[[RecordDict], RecordDict]) -> str:
    """Let one of three nodes send spoilt replies and return its failure."""
    played = Federation(folder, 3, TINY)

    def tamper(node_id: int, reply: Message) -> Message:
        if node_id == VILLAIN and reply.metadata.message_type == "train":
            reply.content = spoil(reply.content)
        return reply

    played.grid.tamper = tamper
    lines = played.play()
    assert len(lines) == 2
    for line in lines:
        assert set(line["nodes"]["1"]) == {"failure"}
        assert "accuracy" in line["nodes"]["0"]
        assert "accuracy" in line["nodes"]["2"]
    return str(lines[-1]["nodes"]["1"]["failure"])


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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_nan, ["fedktl.prototypes.rows", "finite", "NaN"]),
        (_wrong_shape, ["fedktl.prototypes.rows", "width=10", ", 7)"]),
        (_wrong_dtype, ["fedktl.prototypes.rows", "torch.float32", "torch.float64"]),
        (_bad_label, ["fedktl.prototypes.labels", "[0, 10)"]),
        (_negative_label, ["fedktl.prototypes.labels", "[0, 10)", "-1"]),
        (_unknown_field, ["fedktl.prototypes", "unknown field extra"]),
        (_missing_field, ["fedktl.prototypes", "missing field labels"]),
        (_other_version, ["fedktl.prototypes", "version 2", "'version': '1'"]),
        (_not_unit, ["fedktl.prototypes.rows", "length 1"]),
    ],
)
def test_a_spoilt_payload_is_refused_with_its_place(
    tmp_path: Path, change: Change, words: list[str]
) -> None:
    failure = play_with(tmp_path, lambda content: rewritten(content, change))
    for word in ["client 1", *words]:
        assert word in failure


def test_a_blob_ten_times_too_large_is_refused_unread(tmp_path: Path) -> None:
    failure = play_with(
        tmp_path,
        lambda content: with_blob(content, read_blob(content, SCHEMA, "test") + bytes(50_000)),
    )
    assert "client 1" in failure
    assert "expected at most" in failure
    assert "bytes" in failure


def test_a_reply_without_payload_or_with_a_stray_one_is_refused(tmp_path: Path) -> None:
    bare = play_with(tmp_path / "bare", lambda c: RecordDict({"report": c["report"]}))
    assert "expected fedktl.prototypes, got no payload" in bare
    stray = play_with(
        tmp_path / "stray", lambda c: RecordDict({**c, "gift": ConfigRecord({"a": 1})})
    )
    assert "expected fedktl.prototypes, got" in stray
    assert "gift" in stray


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("loss", float("nan"), "report.loss"),
        ("correct", 10_000, "report.correct"),
        ("correct", -1, "report.correct"),
        ("round_number", 7, "report.round_number"),
        ("surprise", 1, "report.surprise"),
        ("train_s", -2.0, "report.train_s"),
    ],
)
def test_a_spoilt_report_is_refused_with_its_place(
    tmp_path: Path, key: str, value: float, words: str
) -> None:
    def spoil(content: RecordDict) -> RecordDict:
        report = ConfigRecord({**content["report"], key: value})
        return RecordDict({**content, "report": report})

    assert words in play_with(tmp_path, spoil)


def test_a_report_of_a_megabyte_is_refused_unread(tmp_path: Path) -> None:
    def spoil(content: RecordDict) -> RecordDict:
        report = ConfigRecord({**content["report"], "notes": ["x" * 1_000_000]})
        return RecordDict({**content, "report": report})

    assert "expected at most 16384 bytes" in play_with(tmp_path, spoil)
