"""Methods with adapters, whole: over the loopback grid, on a backbone of a few hundred weights."""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from federations.split_federation import ADAPTING
from federations.tiny_federations import STAND_INS, tiny, unstated
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from loopback import Federation, without_clocks
from torch import Tensor

from strategies.common.transport.envelope import read_blob
from tests.answering import standing_in

pytestmark = pytest.mark.federation

Played = Callable[..., Federation]


@pytest.fixture(autouse=True)
def _backbone() -> Iterator[None]:
    with standing_in(STAND_INS):
        yield


@pytest.mark.parametrize("method", ADAPTING)
@pytest.mark.quick("feddat")
def test_clients_with_lists_of_other_lengths_test_what_aggregation_made(
    played: Played, method: str
) -> None:
    run = played(method)
    lines = run.lines()
    kinds = [message.metadata.message_type for message in run.grid.sent]
    assert kinds == ["query"] * 3 + (["train"] * 3 + ["evaluate"] * 3) * 2
    assert not unstated(method, lines)
    for line in lines:
        assert line["accuracy"] is not None
        for node in line["nodes"].values():
            assert node["test_samples"] == 10
            assert node["took_part"]
        if method == "feddat":
            assert set(line["scores"]) == {"shared", "teacher", "local"}
            assert line["scores"]["shared"] == pytest.approx(line["accuracy"])


@pytest.mark.parametrize("method", ADAPTING)
@pytest.mark.quick("feddat")
def test_it_is_tested_every_so_many_rounds_and_after_the_last(tmp_path: Path, method: str) -> None:
    lines = tiny(tmp_path, method, rounds=3, evaluate_every=2).play()
    assert [line["accuracy"] is None for line in lines] == [True, False, False]


@pytest.mark.parametrize("method", ADAPTING)
@pytest.mark.quick("feddat")
def test_another_seed_gives_another_journal(tmp_path: Path, played: Played, method: str) -> None:
    # That the same seed gives the same one is told in test_guards_of_methods.py.
    other = tiny(tmp_path, method, seed=1).play()
    assert without_clocks(played(method).lines()) != without_clocks(other)


@pytest.mark.parametrize("method", ADAPTING)
@pytest.mark.quick("feddat")
def test_a_resumed_run_ends_as_an_uninterrupted_one(tmp_path: Path, method: str) -> None:
    # A schedule that falls to the end of the run would know how long each was to be.
    steady: dict[str, Any] = {
        "evaluate_every": 3, "adapters__schedule": "constant", "adapters__warmup": 0.0
    }  # fmt: skip
    whole = tiny(tmp_path / "whole", method, rounds=3, **steady).play()
    tiny(tmp_path / "parts", method, rounds=2, **steady).play()
    resumed = tiny(tmp_path / "parts", method, rounds=3, resume=True, **steady).play()
    assert without_clocks(resumed[-1]) == without_clocks(whole[-1])


@pytest.mark.parametrize("method", ADAPTING)
def test_half_precision_halves_what_goes_up(tmp_path: Path, played: Played, method: str) -> None:
    half = tiny(tmp_path, method, wire_dtype="float16")
    half.play()
    sizes = []
    for run in (played(method), half):
        reply = next(r for r in run.grid.arrived if r.metadata.message_type == "train")
        (schema,) = set(reply.content) - {"report"}
        sizes.append(len(read_blob(reply.content, schema, "test")))
    assert sizes[1] < 0.75 * sizes[0]


SENT = "adapters.trained"


def with_adapter(content: RecordDict, change: Callable[[dict[str, Tensor]], None]) -> RecordDict:
    """Unpack the adapter of a reply, change it, and pack it again."""
    blob = read_blob(content, SENT, "test")
    (length,) = struct.unpack("<Q", blob[:8])
    stamp = json.loads(blob[8 : 8 + length])["__metadata__"]
    tensors = safetensors.torch.load(blob)
    change(tensors)
    spoilt = safetensors.torch.save(tensors, metadata=stamp)
    array = Array("uint8", (len(spoilt),), "nectar.safetensors", spoilt)
    return RecordDict({**content, SENT: ArrayRecord({"blob": array})})


def _cut(tensors: dict[str, Tensor]) -> None:
    tensors["adapter"] = tensors["adapter"][:-1].clone()


def _longer(tensors: dict[str, Tensor]) -> None:
    tensors["adapter"] = torch.cat([tensors["adapter"], torch.ones(1)])


def _other_keys(tensors: dict[str, Tensor]) -> None:
    tensors["keys"] = tensors["keys"].flip(0).clone()


def _nan(tensors: dict[str, Tensor]) -> None:
    tensors["adapter"][3] = float("nan")


def _missing(tensors: dict[str, Tensor]) -> None:
    del tensors["keys"]


def _extra(tensors: dict[str, Tensor]) -> None:
    tensors["head"] = torch.ones(4)


# What a node does to its adapter, and what it is then said to have done.
VILLAINS: dict[str, tuple[Callable[[dict[str, Tensor]], None], str]] = {
    "cut": (_cut, "adapter: expected (parameters="),
    "longer": (_longer, "adapter: expected (parameters="),
    "other keys": (_other_keys, "keys: expected the digest of 8 tensors of rank 2"),
    "NaN": (_nan, "adapter: expected finite values"),
    "a field missing": (_missing, "missing field keys"),
    "a field too many": (_extra, "unknown field head"),
}


def test_an_adapter_that_is_none_is_named_and_the_round_goes_on(tmp_path: Path) -> None:
    names = [*VILLAINS]
    played = tiny(tmp_path, "feddat", nodes=len(names) + 1)

    def tamper(node_id: int, reply: Message) -> Message:
        number = node_id - 100
        if number < len(names) and reply.metadata.message_type == "train":
            reply.content = with_adapter(reply.content, VILLAINS[names[number]][0])
        return reply

    played.grid.tamper = tamper
    lines = played.play()
    assert len(lines) == 2
    for line in lines:
        for number, (_, told) in enumerate(VILLAINS.values()):
            assert told in line["nodes"][str(number)]["failure"]
        assert line["nodes"][str(len(names))]["accuracy"] is not None


def test_a_copy_of_what_was_sent_is_refused(tmp_path: Path) -> None:
    played = tiny(tmp_path, "feddat")
    sent: dict[str, Tensor] = {}

    def tamper(node_id: int, reply: Message) -> Message:
        if node_id == 101 and reply.metadata.message_type == "train":
            order = next(
                m for m in reversed(played.grid.sent)
                if m.metadata.dst_node_id == 101 and m.metadata.message_type == "train"
            )  # fmt: skip
            blob = read_blob(order.content, "adapters.shared", "test")
            sent["adapter"] = safetensors.torch.load(blob)["adapter"]
            reply.content = with_adapter(reply.content, lambda tensors: tensors.update(sent))
        return reply

    played.grid.tamper = tamper
    for line in played.play():
        assert (
            "expected a trained adapter, got the one that was sent" in line["nodes"]["1"]["failure"]
        )


def other_foundation(content: RecordDict) -> RecordDict:
    described = content["description"]
    assert isinstance(described, ConfigRecord)
    described["foundation"] = "f" * 64
    return content


def test_another_digest_is_refused_before_the_first_round(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    played = tiny(tmp_path, "feddat", min_nodes=2)

    def tamper(node_id: int, reply: Message) -> Message:
        if node_id == 101 and reply.metadata.message_type == "query":
            reply.content = other_foundation(reply.content)
        return reply

    played.grid.tamper = tamper
    lines = played.play()
    told = "that most clients hold, got sha256 ffffffffffff"
    for line in lines:
        assert {p for p, node in line["nodes"].items() if "failure" not in node} == {"0", "2"}
        # A client that is refused is in every line, with the reason.
        assert told in line["nodes"]["1"]["failure"]
    assert told in caplog.text
