"""Files that a page carries inside itself."""

import base64
import csv
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from server_app.report.csv_files import clients_csv, rounds_csv
from server_app.report.download import MAX_BYTES, link, svg_link
from server_app.report.frame import DASHED
from server_app.report.legend import Mark
from server_app.report.markup import Html
from server_app.report.page import write_report
from server_app.report.tables import payloads_table
from server_app.run_record import read_run_record
from tests.server_app.run_folders import failed_round, node, round_of, traffic, write_run

CHART = Html('<svg viewBox="0 0 100 50" role="img"><path style="stroke: var(--series-1)"/></svg>')


def saved(link: str) -> tuple[str, str]:
    found = re.search(r'download="([^"]+)" href="data:[^;]+;base64,([^"]*)"', link)
    assert found
    return found[1], base64.b64decode(found[2]).decode()


def test_a_chart_is_saved_whole_with_its_title_and_legend() -> None:
    attack = "<script>\x00"
    marks = [Mark(attack, "var(--muted)", dashes=DASHED), Mark("two", "var(--text)")]
    name, svg = saved(svg_link("Bytes up & down", CHART, marks))
    assert name == "bytes-up-down.svg"
    # Colours are those of the light page: other programs know no CSS variables.
    assert "var(" not in svg
    assert "stroke: #2458c5" in svg
    root = ElementTree.fromstring(svg)
    words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert words == ["Bytes up & down", "<script> ", "two"]
    # Broken as the page's legend has it.
    assert 'stroke-dasharray="8 5"' in svg


def test_words_in_place_of_a_chart_are_not_saved() -> None:
    assert svg_link("Bytes", Html(""), ()) == ""


def test_what_would_burden_the_page_is_left_out() -> None:
    assert link("a.csv", "text/csv", "x" * MAX_BYTES, "a.csv") != ""
    assert link("a.csv", "text/csv", "x" * (MAX_BYTES + 1), "a.csv") == ""


def test_rounds_and_clients_are_saved_as_numbers(tmp_path: Path) -> None:
    odd = node(0, 0.5, model="=cmd()", losses={"total": 0.25, "x": 2.0})
    lines = [
        round_of(1, (0.5, 0.75), nodes={"0": odd, "1": node(1, 0.75)}),
        failed_round(2, {0: "a", 1: "b"}),
    ]
    folder = write_run(tmp_path / "run", lines)
    record = read_run_record(folder)
    rounds = list(csv.DictReader(io.StringIO(rounds_csv(record))))
    # (10 * 0.5 + 30 * 0.75) / 40
    assert rounds[0]["accuracy"] == "0.6875"
    assert rounds[0]["worst_client"] == "0.5"
    assert rounds[0]["measured.mmd_last"] == "0.5"
    assert rounds[0]["seconds.replies"] == "3.0"
    assert [(one["accuracy"], one["failed"]) for one in rounds[1:]] == [("", "2")]
    clients = list(csv.DictReader(io.StringIO(clients_csv(record))))
    told = [(one["client"], one["model"], one["training.x"]) for one in clients]
    assert told == [("0", "'=cmd()", "2.0"), ("1", "resnet4", "")]
    page = write_report(folder).read_text()
    carried = dict(saved(one) for one in re.findall(r"<a [^>]*download=[^>]*>", page))
    assert carried["rounds.csv"] == rounds_csv(record)
    assert carried["clients.csv"] == clients_csv(record)
    assert "accuracy.svg" in carried


def test_bytes_of_clients_without_a_reply_have_a_line(tmp_path: Path) -> None:
    line = round_of(1, (0.5, 0.75), aside={"0": traffic(70, 900)})
    line["nodes"].pop("0")
    record = read_run_record(write_run(tmp_path / "run", [line, round_of(2, (0.5, 0.75))]))
    (whole, _) = csv.DictReader(io.StringIO(rounds_csv(record)))
    assert (whole["uplink_bytes"], whole["downlink_bytes"]) == ("2070", "40900")
    assert whole["answered"] == "1"
    own = list(csv.DictReader(io.StringIO(clients_csv(record))))
    assert [one["round"] + one["client"] for one in own] == ["10", "11", "20", "21"]
    assert (own[0]["took_part"], own[0]["accuracy"], own[0]["uplink_bytes"]) == ("0", "", "70")
    assert "faug.generator</" in payloads_table(record)


@pytest.mark.usefixtures("drawn_charts")
def test_every_drawn_chart_can_be_saved(tmp_path: Path) -> None:
    page = write_report(write_run(tmp_path / "run", [round_of(1, (0.5, 0.75))])).read_text()
    charts = [one for one in re.findall(r"<a [^>]*download=[^>]*>", page) if ".svg" in one]
    assert len(charts) == page.count("<svg")
    for chart in charts:
        ElementTree.fromstring(saved(chart)[1])
