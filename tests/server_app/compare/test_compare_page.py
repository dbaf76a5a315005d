"""A comparison as files, and its command."""

import base64
import csv
import errno
import sys
from pathlib import Path
from urllib.parse import urlparse

import pytest

from server_app.compare.__main__ import main
from server_app.compare.page import write_comparison
from strategies.common.errors import RunFolderError
from tests.server_app.report.test_page import Page
from tests.server_app.run_folders import node, round_of


@pytest.fixture
def played(runs):
    """FedKTL above Local by 5, 6 and 7 points."""
    for seed, level in enumerate((0.55, 0.56, 0.57)):
        runs.add("fedktl", seed, (level,) * 10, name=f"mine-{seed}")
        runs.add("local", seed, (0.5,) * 10, name=f"alone-{seed}")
    return runs


def test_the_page_has_verdict_tables_and_charts(played, tmp_path):
    page = Page(write_comparison(played.folders, tmp_path / "out").read_text())
    assert "6 runs in 2 rows · digits · 2 clients · 10 rounds · seeds 0, 1, 2" in page.text
    assert "FedKTL is above Local by 6.0 points (95% interval 3.5 to 8.5" in page.text
    assert page.tables["Accuracy"][2][:4] == ["FedKTL", "3", "0.560 ± 0.010", "0.560 ± 0.010"]
    assert "What limits this comparison" not in page.text
    # 95 % of 0.5.
    assert "Rounds to 0.475" in page.tables["Cost"][0]
    assert "0.475 (95% of what the lowest row ends with)" in page.text
    assert [len(page.tables[name]) for name in ("Runs", "Gain by client in points")] == [7, 3]
    assert sum(tag == "svg" for tag, _ in page.tags) == 5


def test_tables_stand_beside_the_page(played, tmp_path):
    write_comparison(played.folders, tmp_path, reach=0.56)
    table = (tmp_path / "table.md").read_text()
    assert "| FedKTL | 3 | 0.560 ± 0.010 | **0.560 ± 0.010** |" in table
    assert "- digits, 2 clients, 10 rounds, seeds 0, 1, 2. Means over seeds" in table
    assert r"FedKTL & 3 & 0.560 $\pm$ 0.010 & \textbf{0.560" in (tmp_path / "table.tex").read_text()
    with (tmp_path / "rounds.csv").open(newline="") as lines:
        assert len(list(csv.DictReader(lines))) == 6 * 10 * 2
    assert "Rounds to 0.560" in table
    assert "(as asked for)" in table


@pytest.mark.usefixtures("drawn_charts")
def test_the_same_runs_give_the_same_files_whole_in_themselves(played, tmp_path):
    page = Page(write_comparison(played.folders, tmp_path / "a").read_text())
    write_comparison(played.folders[::-1], tmp_path / "b")
    names = ["compare.html", "rounds.csv", "table.md", "table.tex"]
    for folder in ("a", "b"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    carried = [told["href"] for _, told in page.tags if told.get("download") == "rounds.csv"]
    table = base64.b64decode(carried[0].partition(",")[2])
    assert table == (tmp_path / "a" / "rounds.csv").read_bytes()
    for address in page.addresses:
        assert address.startswith("#") or urlparse(address).scheme == "data"
    assert not {"script", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    ids = [told["id"] for _, told in page.tags if "id" in told]
    assert len(ids) == len(set(ids))
    assert str(tmp_path) not in page.html


def test_what_runs_say_is_never_markup(runs, tmp_path):
    attack = "\"'><script>alert(1)</script>|&%_$"
    line = round_of(1, (0.6, 0.8))
    line["nodes"]["0"] = node(0, 0.6, model=attack, notes=[attack])
    for transfer in (attack, "auto"):
        settings = {"data": attack, "fedktl.transfer-weight": transfer}
        runs.add("fedktl", 0, [line], settings=settings, clients={"0": {"model": attack}})
    page = Page(write_comparison(runs.folders, tmp_path).read_text())
    assert "script" not in {tag for tag, _ in page.tags}
    assert attack in page.tables["Accuracy"][1][0]
    assert "<script>" not in (tmp_path / "table.md").read_text().replace("\\<script\\>", "")
    table = (tmp_path / "table.tex").read_text().splitlines()
    assert not [one for one in table if attack in one and not one.startswith("% ")]


def test_a_run_without_rounds_and_one_alone_are_kept(runs, tmp_path):
    runs.add("fedktl", 0, (), name="empty", settings={"rounds": 3})
    page = Page(write_comparison(runs.folders, tmp_path).read_text())
    assert "This is one run; give several to compare them." in page.text
    assert "empty has no complete round." in page.text
    assert "1 run · digits" in page.text
    assert "Rounds to" not in page.text
    assert page.tables["Accuracy"][1] == ["FedKTL", "1", *["—"] * 6]


def test_without_matplotlib_the_tables_remain(played, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = Page(write_comparison(played.folders, tmp_path).read_text())
    assert "Charts need matplotlib" in page.text
    assert "svg" not in {tag for tag, _ in page.tags}
    assert len(page.tables["Accuracy"]) == 3


def test_the_command_line(played, tmp_path, capsys):
    out = tmp_path / "out"
    asked = [*map(str, played.folders), "--out", str(out), "--reach", "0.56"]
    assert main(asked) == 0
    assert capsys.readouterr().out == f"{out / 'compare.html'}\n"
    assert "Rounds to 0.560" in (out / "table.md").read_text()


def test_places_may_begin_with_a_home_folder(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(runs.add("local", 0, (0.5,), name="alone"))
    assert main(["~/runs/alone", "--out=~/found"]) == 0
    assert (tmp_path / "found" / "compare.html").is_file()
    assert not Path("~").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "expected folders of runs, got none; give at least one"),
        (["{tmp}"], "expected a run's settings, found no file; give the folder"),
        (["{tmp}/none"], "expected a run's settings, found no file; give the folder"),
        (["{run}", "--out", "{run}/settings.toml"], "got a file; name another"),
        (["{run}", "--out", "{run}/settings.toml/deep"], "Not a directory; name another"),
        (["{run}", "--out", "n" * 300], "got File name too long; name another"),
        (["n" * 300], "got one that cannot be read (File name too long); name another"),
        (["~nosuch/run"], "~nosuch/run: expected a home folder of that name, found none"),
        (["{run}", "--out=~nosuch/c"], "--out ~nosuch/c: expected a home folder of that name"),
        (["{run}", "--reach", "1.5"], "expected an accuracy above 0, at most 1, got 1.5"),
        (["{run}", "--reach", "nan"], "expected an accuracy above 0, at most 1, got nan"),
    ],
)
def test_what_cannot_be_compared_is_one_line(arguments, told, runs, tmp_path, capsys):
    run = runs.add("local", 0, (0.5,))
    assert main([one.format(tmp=tmp_path, run=run) for one in arguments]) == 1
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_files_of_somebody_else_are_not_replaced(runs, tmp_path):
    run, out = runs.add("local", 0, (0.5,)), tmp_path / "out"
    out.mkdir()
    (out / "table.md").write_text("mine")
    with pytest.raises(RunFolderError, match=r"got one with table\.md, which would be replaced"):
        write_comparison([run], out)
    assert (out / "table.md").read_text() == "mine"
    (out / "table.md").unlink()
    write_comparison([run], out)
    write_comparison([run], out)


def test_a_page_of_somebody_else_is_not_replaced(runs, tmp_path):
    run, out = runs.add("local", 0, (0.5,)), tmp_path / "out"
    out.mkdir()
    for name in ("compare.html", "table.md"):
        (out / name).write_text("<!DOCTYPE html>\n<html>mine</html>")
    with pytest.raises(RunFolderError, match=r"with compare\.html, table\.md, which would be"):
        write_comparison([run], out)
    assert {path.read_text() for path in out.iterdir()} == {"<!DOCTYPE html>\n<html>mine</html>"}


@pytest.mark.parametrize("failing", ["rounds.csv", "compare.html"])
def test_what_could_not_be_written_leaves_nothing_and_is_written_the_next_time(
    runs, tmp_path, monkeypatch, failing
):
    run, out = runs.add("local", 0, (0.5,)), tmp_path / "out"
    write = Path.write_text

    def full(path, text, **how):
        if failing in path.name:
            raise OSError(errno.EFBIG, "File too large")
        return write(path, text, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(RunFolderError, match="File too large"):
            write_comparison([run], out)
    assert [*out.iterdir()] == []
    write_comparison([run], out)


def test_who_is_ended_between_two_files_leaves_the_page_first(runs, tmp_path, monkeypatch):
    run, out = runs.add("local", 0, (0.5,)), tmp_path / "out"
    replace = Path.replace

    def ended(path, place):
        if place.name != "compare.html":
            raise KeyboardInterrupt
        return replace(path, place)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", ended)
        with pytest.raises(KeyboardInterrupt):
            write_comparison([run], out)
    assert [path.name for path in out.iterdir()] == ["compare.html"]
    write_comparison([run], out)


def test_nothing_is_written_where_a_run_cannot_be_read(runs, tmp_path):
    run = runs.add("local", 0, (0.5,))
    with pytest.raises(RunFolderError):
        write_comparison([run, tmp_path / "none"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
