"""The report of a run."""

import base64
import io
import re
import sys
from html.parser import HTMLParser
from urllib.parse import urlparse

import pytest
from PIL import Image

from server_app.progress import format_bytes
from server_app.report.__main__ import main
from server_app.report.page import write_report
from server_app.report.partition import partition_picture
from server_app.report.tables import devices_table
from server_app.run_record import read_run_record
from strategies.common.errors import RunFolderError
from tests.server_app.run_folders import failed_round, node, round_of, write_run

VOID = {"meta", "link", "img"}


class Page(HTMLParser):
    """A page's headline numbers, tables, headings, addresses and words."""

    def __init__(self, html):
        super().__init__()
        self.html, self.open, self.tags = html, [], []
        self.addresses, self.words, self.cards, self.tables = [], [], {}, {}
        self._card, self._table = "", ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self.tags.append((tag, told))
        self.addresses += [told[k] for k in ("src", "href", "action", "data") if k in told]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self._table = told["aria-label"]
            self.tables[self._table] = []
        if tag == "tr":
            self.tables[self._table].append([])
        if tag in {"td", "th"}:
            self.tables[self._table][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open[-1:]:
            return
        self.words.append(data)
        if "dt" in self.open:
            self._card = data
            self.cards[data] = ()
        elif "dd" in self.open:
            self.cards[self._card] += (data.replace("\u202f", " "),)
        elif "table" in self.open and data.strip():
            self.tables[self._table][-1][-1] += data

    @property
    def text(self):
        return " ".join(self.words)


def _page(run, compare=None):
    path = write_report(run, compare_dir=compare)
    assert path == run / "report.html"
    return Page(path.read_text())


@pytest.fixture
def run(tmp_path):
    rounds = [round_of(1, (0.6, 0.8)), round_of(2, (0.9, 0.9)), round_of(3, (0.7, 0.9))]
    return write_run(tmp_path / "mine", rounds)


@pytest.fixture
def local(tmp_path):
    return write_run(tmp_path / "alone", [round_of(3, (0.8, 0.9))], method="local")


def test_headline_numbers_are_those_of_the_journal(run):
    page = _page(run)
    assert page.cards == {
        # (10 * 0.7 + 30 * 0.9) / 40
        "Mean accuracy": ("0.850", "last round (3)"),
        "Spread over clients": ("± 0.100", "same round"),
        "Worst client": ("0.700", "client 0, same round"),
        "Best round": ("0.900", "round 2; last is 0.850"),
        # Uplinks are 1 kB and 2 kB in every round.
        "Up / down per client and round": ("1.5 kB / 40 kB", "median"),
        "Rounds": ("3", "of 3 asked for"),
        "Total time": ("12 s",),
    }
    assert "FedKTL on digits" in page.text
    assert "verdict" not in {told.get("class", "") for _, told in page.tags}


def test_tables_are_those_of_the_journal(run, local):
    page = _page(run, local)
    assert page.tables["Clients"] == [
        [
            *("Client", "Model", "Train / test samples", "FedKTL accuracy", "Local accuracy"),
            *("Up per round", "Down per round", "Failures"),
        ],
        ["0", "cnn", "30 / 10", "0.700", "0.800", "1 kB", "40 kB", "0"],
        ["1", "resnet4", "90 / 30", "0.900", "0.900", "2 kB", "40 kB", "0"],
        ["All", "", "120 / 40", "0.850", "0.875", "1.5 kB", "40 kB", "0"],
    ]
    assert page.tables["Payloads"][1:] == [
        ["fedktl.pairs", "39 kB", "39 kB", "6"],
        ["fedktl.prototypes", "1.4 kB", "1.8 kB", "6"],
    ]
    last = ["3", "0.850", "0.100", "0.700", "0.150", "3 kB", "80 kB", "4.0 s", "2", "0"]
    assert page.tables["Rounds"][-1] == last
    assert ["fedktl.transfer-weight", "50.0"] in page.tables["Settings"]
    assert ["resume", "false"] in page.tables["Settings"]
    assert page.tables["Training samples of each class, by client"] == [
        ["", "ant", "bee", "cat"],
        ["client 0", "10", "", "20"],
        ["client 1", "30", "", "60"],
    ]


def test_a_federation_below_local_is_said_so(run, local):
    page = _page(run, local)
    assert page.cards["Difference to Local"] == ("-2.5 points", "Local ends at 0.875")
    assert "2.5 percentage points below Local (0.875)" in page.text
    assert "the federation gains nothing" in page.text
    assert "Local, weighted mean (alone)" in page.text


@pytest.mark.usefixtures("drawn_charts")
def test_the_page_is_whole_in_itself(run, local):
    write_picture(run, 3, "class-0", 8)
    page = _page(run, local)
    for address in page.addresses:
        assert address.startswith("#") or urlparse(address).scheme == "data"
    assert not re.search(r"url\((?!#)", page.html)
    assert "http://" not in page.html
    assert "https://" not in page.html
    assert not {"script", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    targets = {told["id"] for _, told in page.tags if "id" in told}
    assert {a[1:] for a in page.addresses if a.startswith("#")} <= targets
    assert ("meta", "viewport") in {(tag, told.get("name")) for tag, told in page.tags}
    assert ("html", "en") in {(tag, told.get("lang")) for tag, told in page.tags}
    images = [told for tag, told in page.tags if tag == "img"]
    assert all(told["alt"] for told in images)
    assert all(told["aria-label"] for tag, told in page.tags if tag == "svg")


@pytest.mark.usefixtures("drawn_charts")
def test_charts_are_drawn(run):
    labels = [told["aria-label"] for tag, told in _page(run).tags if tag == "svg"]
    assert labels[0].endswith("which goes from 0.750 to 0.850")
    # Accuracy, loss, bytes up, bytes down and seconds; one training loss; one diagnostic.
    assert len(labels) == 7


@pytest.mark.usefixtures("drawn_charts")
def test_what_devices_say_is_never_markup(tmp_path):
    attack = "\"'><script>alert(1)</script><img src=x onerror=alert(2)> $\\frac{"
    line = round_of(1, (0.6, 0.8), diagnostics={attack: 1.0}, notes=[attack])
    line["nodes"]["0"] = node(
        0, 0.6, notes=[attack], losses={attack: 1.0}, payload_bytes={attack: 1}, model=attack
    )
    line["nodes"]["1"] = {"failure": attack}
    clients = {"0": {"model": attack, "notes": [attack]}}
    settings = {"data": attack}
    run = write_run(tmp_path / "run", [line], clients=clients, settings=settings)
    described = (run / "clients.json").read_text().replace('"ant"', '"<b onclick=1>"')
    (run / "clients.json").write_text(described)
    page = _page(run)
    assert not {"script", "img", "b onclick"} & {tag for tag, _ in page.tags}
    assert not [k for _, told in page.tags for k in told if k.startswith("on")]
    # Title, heading, legend, client table, payload, loss, diagnostic, failure, notes, settings.
    assert page.text.count(attack) >= 10
    assert "<b onclick=1>" in page.text


def test_a_run_in_which_all_failed(tmp_path, local):
    lines = [failed_round(1, {0: "client 0 (cnn): gone", 1: "late"})]
    page = _page(write_run(tmp_path / "run", lines), local)
    assert page.cards["Mean accuracy"] == ("—", "no client reported an accuracy")
    assert page.cards["Up / down per client and round"] == ("—", "median")
    assert "no accuracy on both sides" in page.text
    assert "2 replies were lost to failures, in 1 of 1 rounds" in page.text
    assert "Round 1, client 0 (cnn): gone" in page.text
    assert "Round 1, client 1 (late)" in page.text
    assert "Nothing crossed the network." in page.text
    assert page.tables["Clients"][1] == ["0", "cnn", "30 / 10", "—", "0.800", "—", "—", "1"]


def test_a_failed_last_round_does_not_hide_that_it_failed(tmp_path):
    lines = [round_of(1, (0.6, 0.8)), failed_round(2, {0: "a", 1: "b"})]
    page = _page(write_run(tmp_path / "run", lines))
    assert page.cards["Mean accuracy"] == ("0.750", "last round that reported (1)")


def test_an_accuracy_of_an_earlier_round_names_its_round(tmp_path):
    late = round_of(2, (0.7, 0.9))
    late["nodes"]["0"] = {"failure": "gone"}
    page = _page(write_run(tmp_path / "run", [round_of(1, (0.6, 0.8)), late]))
    assert page.tables["Clients"][1][3] == "0.600 round 1"


def test_a_run_without_a_round(tmp_path):
    page = _page(write_run(tmp_path / "run", []))
    assert "No round is complete." in page.text
    assert page.cards["Rounds"] == ("0", "of 3 asked for")


def test_clients_that_share_a_node_have_rows_of_their_own(tmp_path):
    clients = {
        "0": {"clients": 2, "train_counts": [1, 2, 3, 4, 5, 6]},
        "1": {"clients": 2, "train_counts": [11, 12, 13, 14, 15, 16]},
    }
    folder = write_run(tmp_path / "run", [round_of(1, (0.5, 0.5))], clients=clients)
    picture = partition_picture(read_run_record(folder))
    rows = re.findall(r"<th scope=\"row\">client (\d+)</th>(.*?)</tr>", picture)
    held = {int(client): re.findall(r">(\d+)</td>", cells) for client, cells in rows}
    assert held == {
        0: ["1", "2", "3"],
        1: ["4", "5", "6"],
        2: ["11", "12", "13"],
        3: ["14", "15", "16"],
    }


def test_what_was_generated_stands_beside_the_clients_own_samples(tmp_path):
    clients = {
        # 30 of 12 of its own.
        "0": {"train_samples": 30, "train_counts": [10, 0, 2], "generated": 18},
        "1": {"train_samples": 90, "train_counts": [30, 0, 60]},
    }
    folder = write_run(tmp_path / "run", [round_of(1, (0.5, 0.5))], clients=clients)
    picture = partition_picture(read_run_record(folder))
    rows = re.findall(r"<th scope=\"row\">client \d+</th>(.*?)</tr>", picture)
    assert [re.findall(r">([^<]*)</td>", cells) for cells in rows] == [
        ["10", "", "2", "+ 18"],
        ["30", "", "60", "+ 0"],
    ]
    assert "Generated samples, of all classes together, stand in the last column" in picture
    page = _page(write_run(tmp_path / "page", [round_of(1, (0.5, 0.5))], clients=clients))
    assert [row[2] for row in page.tables["Clients"][1:]] == [
        "12 + 18 generated / 10",
        "90 / 30",
        "102 + 18 generated / 40",
    ]


def test_devices_are_shown_with_the_median_of_their_figures_and_the_peak_of_memory(tmp_path):
    told = [
        {"step_ms": ms, "peak_memory_bytes": size, "cpu_s": 0.5 * ms}
        for ms, size in ((9, 2e6), (1, 5e6), (4, 3e6))
    ]
    untold = node(1, 0.5, figures={"cpu_s": 0.0})
    lines = [
        round_of(n, (0.5, 0.5), nodes={"0": node(0, 0.5, figures=own), "1": untold})
        for n, own in enumerate(told, start=1)
    ]
    shown = devices_table(read_run_record(write_run(tmp_path / "run", lines)))
    assert "per image" not in shown  # and so there is no word on how that was measured
    assert "medians over rounds. Peak memory: the largest" in shown
    row = re.search(r"<tr><th[^>]*>0</th>(.*?)</tr>", shown)
    assert re.findall(r"<td[^>]*>(.*?)</td>", row[1]) == ["2.0 s", format_bytes(5e6), "4"]
    silent = re.search(r"<tr><th[^>]*>1</th>(.*?)</tr>", shown)
    assert re.findall(r"<td[^>]*>(.*?)</td>", silent[1]) == ["—", "—", "—"]
    assert (
        devices_table(read_run_record(write_run(tmp_path / "old", [round_of(1, (0.5, 0.5))]))) == ""
    )


def test_accuracies_that_the_server_found_are_explained(tmp_path):
    nodes = {"0": node(0, 0.5, tested_by="server"), "1": node(1, 0.5, tested_by="server")}
    for method, probed in (("mocosfl", True), ("splitfed", False)):
        line = round_of(1, (0.5, 0.5), nodes=nodes)
        page = write_report(write_run(tmp_path / method, [line], method=method)).read_text()
        assert "the server tests" in page
        assert "on the stream of activations" in page
        assert ("best epoch is picked" in page) == probed
        assert "own model on the client" not in page


def test_counts_that_are_not_shared(tmp_path):
    hidden = {"0": {"train_counts": None}}
    page = _page(write_run(tmp_path / "some", [round_of(1, (0.6, 0.8))], clients=hidden))
    assert "Not shared by the devices of these clients: 0." in page.text
    assert len(page.tables["Training samples of each class, by client"]) == 2
    hidden["1"] = {"train_counts": None}
    page = _page(write_run(tmp_path / "none", [round_of(1, (0.6, 0.8))], clients=hidden))
    assert "do not share how many samples of each class" in page.text


def test_a_cut_off_journal_is_said(run):
    journal = run / "rounds.jsonl"
    journal.write_text(journal.read_text() + '{"round": 4, "acc')
    assert "last line is cut off" in _page(run).text


@pytest.mark.usefixtures("drawn_charts")
def test_the_same_folder_gives_the_same_page(run, local):
    first = write_report(run, compare_dir=local).read_bytes()
    assert write_report(run, compare_dir=local).read_bytes() == first
    assert not list(run.glob(".report*"))


def test_without_matplotlib_the_tables_remain(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = _page(run)
    assert "install the server extra" in page.text
    assert "svg" not in {tag for tag, _ in page.tags}
    assert len(page.tables["Rounds"]) == 4
    opened = [told for tag, told in page.tags if tag == "details" and "open" in told]
    assert len(opened) == 1


def write_picture(run, number, name, side):
    folder = run / "images" / f"round-{number:06d}"
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), (77, 77, 77)).save(folder / f"{name}.png")


def test_pictures_of_the_last_round_by_class(run):
    write_picture(run, 2, "class-0", 8)
    for name, side in (("class-10", 8), ("class-1", 8), ("class-2", 500)):
        write_picture(run, 10, name, side)
    (run / "images" / "round-000010" / "class-3.png").write_bytes(b"no picture")
    page = _page(run)
    images = [told for tag, told in page.tags if tag == "img"]
    assert [told["alt"].rpartition(": ")[2] for told in images] == ["bee", "cat", "class-10"]
    assert "Drawn in round 10." in page.text
    assert "cannot be read" in page.text
    shown = [
        Image.open(io.BytesIO(base64.b64decode(told["src"].partition(",")[2]))) for told in images
    ]
    # Small pictures travel as they are, large ones are shrunk.
    assert [image.size for image in shown] == [(8, 8), (192, 192), (8, 8)]
    assert shown[1].getpixel((5, 5)) == (77, 77, 77)


def test_folders_that_are_no_runs_are_refused(run, tmp_path):
    with pytest.raises(RunFolderError, match=r"settings\.toml"):
        write_report(tmp_path)
    with pytest.raises(RunFolderError, match=r"settings\.toml"):
        write_report(run, compare_dir=tmp_path)


def test_the_command_line(run, local, tmp_path, capsys):
    assert main([str(run), "--compare", str(local)]) == 0
    assert capsys.readouterr().out == f"{run / 'report.html'}\n"
    assert "below Local" in (run / "report.html").read_text()
    assert main([str(tmp_path)]) == 1
    assert "expected a run's settings" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(run), "--compare", str(local), "--compare", str(run)])
    assert f"argument --compare: expected once, got {local} and {run}" in capsys.readouterr().err


def test_places_that_nobody_can_read_are_one_line(run, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(run.parent))
    assert main([f"~/{run.name}"]) == 0
    capsys.readouterr()
    for words, told in (
        (["n" * 300], "got one that cannot be read (File name too long); name another"),
        (["~nosuch/run"], "~nosuch/run: expected a home folder of that name, found none"),
        ([str(run), "--compare=~nosuch"], "--compare ~nosuch: expected a home folder of that"),
    ):
        assert main(words) == 1
        said = capsys.readouterr().err
        assert told in said
        assert said.count("\n") == 1
