"""A run as Python reads it: frames, the table in a notebook, and what is not trusted."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest

from nectar import Run
from server_app.client_list import ListedClient
from server_app.journal import FailureLine, NodeLine, RoundLine, TrafficLine
from server_app.run_record import RunRecord

NODE = NodeLine(
    accuracy=0.5,
    loss=1.5,
    macro_f1=0.375,
    validation_accuracy=0.75,
    validation_loss=0.5,
    tested_by="device",
    train_samples=30,
    test_samples=10,
    model="cnn",
    took_part=True,
    uplink_bytes=1200,
    downlink_bytes=800,
    payload_bytes={},
    seconds={"total": 2.0},
    scores={},
    losses={"total": 1.25},
    figures={},
    continued_from=0,
    notes=(),
)


def line(number: int, aside: dict[int, TrafficLine] | None = None, **nodes: Any) -> RoundLine:
    return RoundLine(
        round_number=number,
        method="fedproto",
        classified_by="",
        seconds={"total": 3.0},
        accuracy=0.25 * number,
        loss=1.0,
        accuracy_std=0.0,
        macro_f1=0.125 * number,
        class_accuracy=(0.5, None),
        validation_accuracy=None,
        validation_loss=None,
        scores={},
        diagnostics={"classes": 10.0},
        notes=(),
        nodes={0: NODE, **{int(name[1:]): node for name, node in nodes.items()}},
        aside=aside or {},
    )


CLIENTS = {0: ListedClient.known_by("cnn", 30, 10), 1: ListedClient.known_by("<b>net", 3, 1)}
RECORD = RunRecord(
    Path("/runs/first"),
    {"method": "fedproto"},
    (),
    CLIENTS,
    (line(1), line(2, n1=FailureLine("ran out of memory"))),
)
RUN = Run(RECORD)


def test_a_row_per_round() -> None:
    frame = RUN.frame()
    assert frame["round"].tolist() == [1, 2]
    assert frame["accuracy"].tolist() == [0.25, 0.5]
    assert frame["macro_f1"].tolist() == [0.125, 0.25]
    assert RUN.macro_f1 == 0.25
    assert frame["uplink_bytes"].tolist() == [1200, 1200]
    assert frame["seconds"].tolist() == [3.0, 3.0]
    assert frame["failed"].tolist() == [0, 1]
    assert frame["classes"].tolist() == [10.0, 10.0]


def test_a_row_per_round_and_client() -> None:
    frame = RUN.frame("clients")
    assert frame["client"].tolist() == [0, 0, 1]
    assert frame["validation_accuracy"].tolist()[:2] == [0.75, 0.75]
    assert frame["macro_f1"].tolist()[:2] == [0.375, 0.375]
    assert frame["loss total"].tolist()[:2] == [1.25, 1.25]
    assert frame["accuracy"].isna().tolist() == [False, False, True]
    assert frame["failure"].tolist()[2] == "ran out of memory"


def test_a_client_that_was_not_asked_has_bytes_alone() -> None:
    own = TrafficLine(uplink_bytes=70, downlink_bytes=900, payload_bytes={})
    run = Run(dataclasses.replace(RECORD, rounds=(line(1, aside={1: own}),)))
    frame = run.frame("clients")
    assert frame["took_part"].tolist() == [True, False]
    assert frame["uplink_bytes"].tolist() == [1200, 70]
    assert run.frame()["downlink_bytes"].tolist() == [1700]


def test_another_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 'rounds' or 'clients', got 'nodes'"):
        RUN.frame("nodes")  # type: ignore[arg-type]


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="the extra 'notebook'"):
        RUN.frame()


def test_a_notebook_shows_a_table_in_which_nobody_else_writes() -> None:
    page = RUN._repr_html_()
    assert page.count("<tr>") == 3
    assert "<td>0</td><td>cnn</td><td>30/10</td><td>0.500</td><td>1.2 kB</td><td>800 B" in page
    assert "<td>1</td><td>&lt;b&gt;net</td><td>3/1</td>" in page
    assert "FedProto, 2 rounds, accuracy 0.500" in page
    assert "file:///runs/first/report.html" in page


def test_a_terminal_shows_a_line() -> None:
    assert repr(RUN) == "<Run first: FedProto, 2 rounds, accuracy 0.500, in /runs/first>"
    silent = Run(dataclasses.replace(RECORD, rounds=()))
    assert silent.accuracy is None
    assert "0 rounds" in repr(silent)
