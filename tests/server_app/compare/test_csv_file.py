"""Every run, round and client as a line."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server_app.compare.arms import read_arms
from server_app.compare.csv_file import csv_text, harmless
from tests.server_app.run_folders import node, round_of, traffic


def _read(runs):
    return list(csv.DictReader(io.StringIO(csv_text(read_arms(runs.folders)))))


def test_a_line_for_each_run_round_and_client(runs):
    runs.add("fedktl", 0, [round_of(1, (0.6, 0.8)), round_of(2, (0.7, 0.9))], name="mine")
    runs.add("local", 4, [round_of(1, (0.5, 0.5))], settings={"rounds": 2})
    lines = _read(runs)
    assert [(one["method"], one["seed"], one["round"], one["client"]) for one in lines] == [
        *[("local", "4", "1", client) for client in "01"],
        *[("fedktl", "0", number, client) for number in "12" for client in "01"],
    ]
    assert lines[-1] == {
        "run": "mine",
        "method": "fedktl",
        "label": "FedKTL",
        "seed": "0",
        "round": "2",
        "client": "1",
        "model": "resnet4",
        "took_part": "1",
        "accuracy": "0.9",
        # 0.9 of 30.
        "correct": "27.0",
        "test_samples": "30",
        "loss": "0.09999999999999998",
        "macro_f1": "",
        "validation_accuracy": "",
        "validation_loss": "",
        "uplink_bytes": "2000",
        "downlink_bytes": "40000",
        "seconds": "2.5",
        "cpu_seconds": "",
        "failure": "",
    }


def test_a_failure_has_its_reason_alone_and_an_untested_client_no_accuracy(runs):
    line = round_of(1, (0.6, 0.8))
    line["nodes"]["0"] = {"failure": 'said "no",\nand\tleft'}
    line["nodes"]["1"] = {
        **node(1, 0.8, figures={"cpu_s": 1.25}),
        "accuracy": None,
        "loss": None,
    }
    runs.add("fedktl", 0, [line])
    failed, untested = _read(runs)
    assert failed["failure"] == 'said "no", and left'
    assert failed["model"] == "cnn"
    assert {failed[k] for k in ("took_part", "accuracy", "test_samples", "uplink_bytes")} == {""}
    assert (untested["accuracy"], untested["correct"], untested["cpu_seconds"]) == ("", "", "1.25")


def test_bytes_of_clients_without_a_reply_are_told(runs):
    line = round_of(1, (0.6, 0.8), aside={c: traffic(70, 900) for c in "01"})
    line["nodes"] = {"0": {"failure": "gone"}}
    runs.add("fd", 0, [line])
    failed, idle = _read(runs)
    assert [(one["uplink_bytes"], one["downlink_bytes"]) for one in (failed, idle)] == [
        ("70", "900"),
        ("70", "900"),
    ]
    assert (failed["client"], failed["failure"], failed["took_part"]) == ("0", "gone", "")
    assert (idle["client"], idle["failure"], idle["took_part"]) == ("1", "", "0")
    assert idle["model"] == "resnet4"


@pytest.mark.parametrize(
    "attack",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1", " =1", "\N{FULLWIDTH EQUALS SIGN}1"],
)
def test_no_text_becomes_a_formula(attack, runs):
    line = round_of(1, (0.6, 0.8))
    line["nodes"]["0"] = {"failure": attack}
    line["nodes"]["1"] = node(1, 0.8, model=attack)
    runs.add("fedktl", 0, [line])
    failed, replied = _read(runs)
    assert failed["failure"].startswith("'")
    assert replied["model"].startswith("'")


@settings(max_examples=50)
@given(st.text())
def test_any_text_stays_in_its_cell(text):
    plain = harmless(text)
    assert not plain.startswith(("=", "+", "-", "@"))
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([plain, "next"])
    assert len(buffer.getvalue().splitlines()) == 1
    assert list(csv.reader([buffer.getvalue()])) == [[plain, "next"]]
