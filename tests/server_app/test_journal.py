"""The journal's layout: bytes to the last digit, and nothing missing or unknown unseen."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server_app.client import Client
from server_app.crossed import Crossed
from server_app.journal import (
    FailureLine,
    NodeLine,
    RoundLine,
    TrafficLine,
    read_round,
    write_round,
)
from server_app.round_record import MeasuredAccuracy, NodeRecord, RoundRecord
from strategies.common.errors import RunFolderError
from strategies.common.round import Aggregated
from strategies.common.transport.control import Description, Report
from tests.server_app.run_folders import node, round_of

# As in a file: keys, their order, spaces, and every digit.
FULL = (
    '{"round": 4, "method": "fd", "classified_by": "the nearest", '
    '"seconds": {"wait": 1.0, "replies": 2.5, "total": 3.5}, '
    '"accuracy": 0.75, "loss": 1.7857143142857144, "accuracy_std": 0.0, '
    '"macro_f1": null, "class_accuracy": [], '
    '"validation_accuracy": null, "validation_loss": null, '
    '"scores": {"shared": 0.75}, "diagnostics": {"kept": 3, "alignment": 0.30000000000000004}, '
    '"notes": ["client 2 was late", "it did not learn"], "nodes": {'
    '"0": {"accuracy": 0.75, "loss": 2.5, "macro_f1": 0.625, '
    '"validation_accuracy": null, "validation_loss": null, "tested_by": "device", '
    '"train_samples": 30, "test_samples": 10, "model": "model-0", "took_part": true, '
    '"uplink_bytes": 1200, '
    '"downlink_bytes": 560, "payload_bytes": {"down/order": 60, "down/fd.means": 500, '
    '"up/report": 200, "up/fd.logits": 1000}, "seconds": {"load": 0.25, "train": 2.0, '
    '"evaluate": 0.75, "save": 0.125, "total": 3.125}, "scores": {"shared": 0.75}, '
    '"losses": {"total": 0.75}, "figures": {"peak_memory_bytes": 500000000.0}, '
    '"continued_from": 3, "notes": ["gr\\u00f6\\u00dfer", "two answers"]}, '
    '"2": {"failure": "client 2: \\"gone\\""}, '
    '"10": {"accuracy": 0.75, "loss": 1e-07, "macro_f1": null, '
    '"validation_accuracy": null, "validation_loss": null, "tested_by": "server", '
    '"train_samples": 30, "test_samples": 4, "model": "model-10", "took_part": false, '
    '"uplink_bytes": 180, '
    '"downlink_bytes": 58, "payload_bytes": {"down/order": 58, "up/report": 180}, '
    '"seconds": {"load": 0.25, "train": 2.0, "evaluate": 0.5, "save": 0.125, "total": 2.875}, '
    '"scores": {}, "losses": {}, "figures": {}, "continued_from": 0, "notes": []}}, '
    '"aside": {"2": {"uplink_bytes": 70, "downlink_bytes": 900, '
    '"payload_bytes": {"down/faug.generator": 900, "up/faug.seeds": 70}}}}'
)
EMPTY = (
    '{"round": 1, "method": "fd", "classified_by": "", "seconds": {"total": 0}, '
    '"accuracy": null, "loss": null, '
    '"accuracy_std": null, "macro_f1": null, "class_accuracy": [], '
    '"validation_accuracy": null, "validation_loss": null, "scores": {}, '
    '"diagnostics": {}, "notes": [], "nodes": {}, "aside": {}}'
)


def client(partition: int) -> Client:
    description = Description(
        partition=partition,
        num_partitions=11,
        model=f"model-{partition}",
        num_classes=10,
        inputs="images",
        sizes=[1, 8, 8],
        feature_dim=16,
        foundation="",
        rank=0,
        places=[],
        class_names=[],
        train_samples=30,
        test_samples=10,
        train_counts=[],
        clients=1,
        figures={},
        test_counts=[],
        notes=[],
    )
    return Client(100 + partition, description)


def report(**changes: Any) -> Report:
    values: dict[str, Any] = {
        "round_number": 4,
        "continued_from": 3,
        "correct": 3,
        "test_samples": 10,
        "loss": 2.5,
        "validation_correct": 0,
        "validation_samples": 0,
        "validation_loss": 0.0,
        "class_samples": [],
        "class_hits": [],
        "class_predictions": [],
        "train_samples": 30,
        "load_s": 0.25,
        "train_s": 2.0,
        "evaluate_s": 0.5,
        "save_s": 0.125,
        "notes": ["größer"],
        "scores": {"shared": 0.3, "own": 1 / 3},
        "losses": {"total": 0.75},
        "figures": {"peak_memory_bytes": 5e8},
    }
    return Report(**values | changes)


def full_line() -> RoundLine:
    """Return a round with a client asked twice, one that the server tested, and a failure."""
    later = report(
        correct=7.5, macro_f1=0.625, evaluate_s=0.25, notes=["two answers"], scores={"shared": 0.75}
    )
    bare = {"notes": [], "scores": {}, "losses": {}, "figures": {}, "continued_from": 0}
    record = RoundRecord(
        4,
        nodes={
            10: NodeRecord(
                client(10),
                report(correct=0, test_samples=0, loss=0, **bare),
                took_part=False,
                uplink={"report": 180},
                downlink={"order": 58},
                by_server=MeasuredAccuracy(3, 4, 1e-7),
            ),
            0: NodeRecord(
                client(0),
                report(),
                took_part=True,
                uplink={"report": 200, "fd.logits": 1000},
                downlink={"order": 60, "fd.means": 500},
                after=later,
            ),
        },
        failures={2: 'client 2: "gone"'},
        seconds={"wait": 1.0, "replies": 2.5},
        notes=["client 2 was late"],
        before={2: Crossed({"faug.seeds": 70}, {"faug.generator": 900})},
    )
    told = Aggregated({"kept": 3, "alignment": 0.1 + 0.2}, ("it did not learn",))
    return record.to_line("fd", told, "the nearest")


def test_a_full_line_is_written_to_the_last_byte() -> None:
    assert write_round(full_line()) == FULL


def test_a_line_of_which_nothing_can_be_said_is_written_to_the_last_byte() -> None:
    assert write_round(RoundRecord(1).to_line("fd", Aggregated())) == EMPTY


def test_a_full_line_is_read_as_it_was_written() -> None:
    line = full_line()
    assert read_round(json.loads(FULL), "here") == line
    assert list(line.nodes) == [0, 2, 10]
    assert line.failures == {2: 'client 2: "gone"'}
    assert (line.uplink_bytes, line.downlink_bytes) == (1450, 1518)
    assert line.unanswered == {2: ('client 2: "gone"', line.aside[2])}


numbers = st.floats(allow_nan=False, allow_infinity=False)
named = st.dictionaries(st.text(max_size=8), numbers, max_size=3)
counts = st.integers(0, 2**40)
notes = st.lists(st.text(max_size=8), max_size=3).map(tuple)
replies = st.builds(
    NodeLine,
    accuracy=st.none() | numbers,
    loss=st.none() | numbers,
    macro_f1=st.none() | numbers,
    validation_accuracy=st.none() | numbers,
    validation_loss=st.none() | numbers,
    tested_by=st.sampled_from(["device", "server"]),
    train_samples=counts,
    test_samples=counts,
    model=st.text(max_size=8),
    took_part=st.booleans(),
    uplink_bytes=counts,
    downlink_bytes=counts,
    payload_bytes=st.dictionaries(st.text(max_size=8), counts, max_size=3),
    seconds=named,
    scores=named,
    losses=named,
    figures=named,
    continued_from=counts,
    notes=notes,
)
lines = st.builds(
    RoundLine,
    round_number=counts,
    method=st.text(max_size=8),
    classified_by=st.text(max_size=8),
    seconds=named,
    accuracy=st.none() | numbers,
    loss=st.none() | numbers,
    accuracy_std=st.none() | numbers,
    macro_f1=st.none() | numbers,
    validation_accuracy=st.none() | numbers,
    validation_loss=st.none() | numbers,
    class_accuracy=st.lists(st.none() | numbers, max_size=3).map(tuple),
    scores=named,
    diagnostics=named,
    notes=notes,
    nodes=st.dictionaries(
        counts, replies | st.builds(FailureLine, st.text(max_size=8)), max_size=4
    ),
    aside=st.dictionaries(
        counts,
        st.builds(
            TrafficLine,
            uplink_bytes=counts,
            downlink_bytes=counts,
            payload_bytes=st.dictionaries(st.text(max_size=8), counts, max_size=3),
        ),
        max_size=2,
    ),
)


@settings(max_examples=150, deadline=None)
@given(lines)
def test_what_is_written_is_read_back(line: RoundLine) -> None:
    text = write_round(line)
    again = read_round(json.loads(text), "here")
    assert again == line
    assert write_round(again) == text


@pytest.mark.parametrize("layout", [RoundLine, NodeLine, FailureLine, TrafficLine])
def test_no_field_has_a_default_that_could_hide_its_absence(layout: type) -> None:
    for field in dataclasses.fields(layout):
        assert field.default is dataclasses.MISSING, field.name
        assert field.default_factory is dataclasses.MISSING, field.name


def test_a_line_of_before_it_was_said_what_picks_a_class_is_read() -> None:
    entries = json.loads(FULL)
    del entries["classified_by"]
    assert read_round(entries, "here") == dataclasses.replace(full_line(), classified_by="")


def test_a_line_of_before_bytes_stood_aside_is_read() -> None:
    entries = json.loads(FULL)
    del entries["aside"]
    assert read_round(entries, "here") == dataclasses.replace(full_line(), aside={})


@pytest.mark.parametrize(
    "key", sorted(json.loads(EMPTY).keys() - {"macro_f1", "classified_by", "aside"})
)
def test_a_line_without_one_of_its_keys_is_refused(key: str) -> None:
    entries = json.loads(FULL)
    del entries[key]
    with pytest.raises(RunFolderError, match=f"line 7: {key}: expected a value, got no such key"):
        read_round(entries, "line 7")


@pytest.mark.parametrize("key", sorted(json.loads(FULL)["nodes"]["0"]))
def test_a_client_without_one_of_its_keys_is_refused(key: str) -> None:
    entries = json.loads(FULL)
    del entries["nodes"]["0"][key]
    with pytest.raises(RunFolderError, match=rf"nodes\.0\.replied\.{key}: expected a value"):
        read_round(entries, "line 7")


def in_line(entries: dict[str, Any]) -> dict[str, Any]:
    return entries


def in_reply(entries: dict[str, Any]) -> dict[str, Any]:
    reply: dict[str, Any] = entries["nodes"]["0"]
    return reply


def in_failure(entries: dict[str, Any]) -> dict[str, Any]:
    failure: dict[str, Any] = entries["nodes"]["2"]
    return failure


@pytest.mark.parametrize("place", [in_line, in_reply, in_failure])
def test_a_key_that_is_not_declared_is_refused(
    place: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    entries = json.loads(FULL)
    place(entries)["colour"] = "red"
    with pytest.raises(RunFolderError, match="colour: expected no such key; was the file written"):
        read_round(entries, "line 7")


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({**round_of(1, (0.5, 0.5)), "accuracy": "high"}, "line 7: accuracy: .*got 'high'"),
        (round_of(1, (0.5, 0.5), nodes={"0": node(0, 0.5, model=3)}), r"model: .*got 3"),
        (round_of(1, (0.5, 0.5), nodes={"0": node(0, 0.5, tested_by="me")}), "got 'me'"),
        (round_of(1, (0.5, 0.5), nodes={"one": node(0, 0.5)}), "got 'one'"),
        (round_of(-1, (0.5, 0.5)), "round: .*got -1"),
        ([], "line 7"),
        (3, "line 7"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(entries: object, told: str) -> None:
    with pytest.raises(RunFolderError, match=told):
        read_round(entries, "line 7")


def without(entries: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in entries.items() if key not in keys}


@pytest.mark.parametrize("lacking", [(), ("scores",), ("scores", "figures", "tested_by")])
def test_a_line_of_an_older_run_is_read(lacking: tuple[str, ...]) -> None:
    told = {"figures": {"step_ms": 4.0}} if "figures" not in lacking else {}
    nodes = {"0": without(node(0, 0.5, **told), *lacking), "1": {"failure": "gone"}}
    line = read_round(without(round_of(1, (0.5, 0.5), nodes=nodes), *lacking[:1]), "line 7")
    assert (line.macro_f1, line.class_accuracy, line.answered[0].macro_f1) == (None, (), None)
    assert (line.scores, line.answered[0].scores) == ({}, {})
    assert line.answered[0].figures == told.get("figures", {})
    assert line.answered[0].tested_by == "device"
    assert line.failures == {1: "gone"}


def test_a_line_of_an_older_run_must_have_all_the_rest() -> None:
    nodes = {"0": without(node(0, 0.5), "scores", "losses")}
    line = without(round_of(1, (0.5, 0.5), nodes=nodes), "scores")
    with pytest.raises(RunFolderError, match=r"nodes\.0\.replied\.losses: expected a value"):
        read_round(line, "line 7")
    nodes = {"0": without(node(0, 0.5), "scores")}
    with pytest.raises(RunFolderError, match=r"nodes\.0\.replied\.scores: expected a value"):
        read_round(round_of(1, (0.5, 0.5), nodes=nodes), "line 7")


def test_a_value_that_its_declaration_does_not_allow_is_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_round(dataclasses.replace(full_line(), accuracy=float("nan")))
    with pytest.raises(ValueError, match="accuracy"):
        write_round(dataclasses.replace(full_line(), accuracy="high"))
