"""Rounds that spoil what the server holds: undone at once where it shows, or left behind later."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message

from strategies.common.errors import ModelError, RunFolderError
from strategies.common.round import Aggregated
from strategies.fedkd.server import FedKDServer
from strategies.fedproto.server import FedProtoServer
from tests.loopback import without_clocks
from tests.server_app.small_federation import Play, failing, player, sent

pytestmark = pytest.mark.federation

AGGREGATE = FedProtoServer.aggregate


@pytest.fixture
def federation(tmp_path: Path) -> Play:
    return partial(player(tmp_path), rounds=3, method="fedproto")


def test_a_run_goes_on_from_an_earlier_round_and_keeps_the_later_ones_aside(
    federation: Play,
) -> None:
    undisturbed = federation(2, "undisturbed").play()
    fed = federation(2, "spoilt")

    def spoil(node: int, reply: Message) -> Message:
        if (node, reply.metadata.group_id, reply.metadata.message_type) == (100, "3", "train"):
            return failing(reply)
        return reply

    fed.grid.tamper = spoil
    spoilt = fed.play()
    with pytest.raises(RunFolderError, match=r"kept \(1, 2, 3\), got 9"):
        federation(2, "spoilt", resume=True, resume_from=9).play()
    resumed = federation(2, "spoilt", resume=True, resume_from=2)
    assert without_clocks(resumed.play()) == without_clocks(undisturbed)
    aside = (fed.run_folder / "rounds.jsonl.before-resume-from-2").read_text()
    assert [json.loads(line) for line in aside.splitlines()] == spoilt[2:]


def failing_in(what: str, *rounds: int) -> Callable[..., Aggregated]:
    """Return an aggregation that raises, spoils its state or tells infinity in some rounds."""

    def aggregate(half: FedProtoServer, state: Any, number: int, replies: Any) -> Aggregated:
        told = AGGREGATE(half, state, number, replies)
        if number not in rounds:
            return told
        if what == "raises":
            raise ModelError("it diverged")
        if what == "spoils":
            state.rows = state.rows * float("nan")
        if what == "overflows":
            state.rows = state.rows * 0 + 1e6
        return Aggregated({"closeness": float("inf"), "classes": 1.0})

    return aggregate


@pytest.mark.parametrize(
    ("what", "told"),
    [("raises", "ModelError: it diverged"), ("spoils", "state rows: expected finite values")],
)
def test_a_round_that_cannot_be_taken_in_is_undone_once(
    federation: Play, monkeypatch: pytest.MonkeyPatch, what: str, told: str
) -> None:
    monkeypatch.setattr(FedProtoServer, "aggregate", failing_in(what, 1, 3))
    lines = federation(2).play()
    assert [any(told in note for note in line["notes"]) for line in lines] == [
        True, False, True
    ]  # fmt: skip
    assert all("failure" not in node for line in lines for node in line["nodes"].values())
    monkeypatch.setattr(FedProtoServer, "aggregate", failing_in(what, 1, 2))
    with pytest.raises(ModelError):
        federation(2, "again").play()


def test_what_is_infinite_once_it_is_sent_is_undone_too(
    federation: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was saved, could be sent to nobody, and ended the run at every resume."""
    monkeypatch.setattr(FedProtoServer, "aggregate", failing_in("overflows", 2))
    lines = federation(2, wire_dtype="float16").play()
    told = "is undone, nothing was learnt in this round: ModelError: fedproto.global-prototypes"
    assert [any(told in note for note in line["notes"]) for line in lines] == [False, True, False]
    # In single precision it is a number as any other.
    wide = federation(2, "wide", wire_dtype="float32", rounds=2).play()
    assert not any(told in note for line in wide for note in line["notes"])


def test_after_an_undone_round_clients_get_the_whole_of_what_travels_as_changes(
    federation: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They keep what they made of the round, and took no change of the model before it."""
    kept = FedKDServer.aggregate

    def aggregate(half: FedKDServer, state: Any, number: int, replies: Any) -> Aggregated:
        if number == 2:
            raise ModelError("it diverged")
        return kept(half, state, number, replies)

    monkeypatch.setattr(FedKDServer, "aggregate", aggregate)
    lines = federation(2, method="fedkd", rounds=4).play()
    assert "it diverged" in str(lines[1]["notes"])
    assert [len(line["nodes"]) for line in lines] == [2, 2, 2, 2]
    assert all("failure" not in node for line in lines for node in line["nodes"].values())


def test_a_number_that_no_journal_can_hold_is_left_out_and_named(
    federation: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FedProtoServer, "aggregate", failing_in("tells", 1))
    (line,) = federation(2, rounds=1).play()
    assert line["diagnostics"] == {"classes": 1.0}
    assert "expected finite numbers, got others for closeness, which are left out" in line["notes"]


def test_who_lost_the_model_that_a_change_is_of_gets_the_whole_where_it_is_needed(
    federation: Play,
) -> None:
    """Else the run ends, and every attempt to go on with it ends alike."""
    fed = federation(2, method="fedkd", min_replies=2)

    def lose(node: int, reply: Message) -> Message:
        if (node, reply.metadata.group_id) == (101, "2"):
            for file in (fed.folder / "state" / "test" / "1").glob("round-*"):
                file.unlink()
        return reply

    fed.grid.tamper = lose
    lines = fed.play()
    assert [set(line["nodes"]) for line in lines] == [{"0", "1"}] * 3
    assert all("failure" not in node for line in lines for node in line["nodes"].values())
    asked_twice = [number for number, node in sent(fed, "train") if node == 101]
    assert asked_twice == [1, 2, 3, 3]
