"""What the newest run says of its clients, read where the apps' own reader is not at hand."""

import json
import os
from pathlib import Path

import pytest

from nectar_admin.errors import AdminError
from nectar_admin.run_journal import ClientRounds, newest_run
from server_app.client_list import ClientList, ListedClient, write_clients

REPLIED = {"accuracy": 0.5}
LISTED = ClientList(
    task={},
    class_names=(),
    clients={
        0: ListedClient("cnn", 3, 1, None, None, 1, (), {}, "18446744073709551615", 0),
        2: ListedClient("cnn", 3, 1, None, None, 1, (), {}, "12", 0),
        # Of a run that was begun by an older version.
        3: ListedClient("cnn", 3, 1, None, None, 1, (), {}, None, 0),
    },
)


def write_run(folder: Path, *rounds: dict[str, object], at: float = 100.0) -> None:
    folder.mkdir()
    (folder / "clients.json").write_text(write_clients(LISTED))
    lines = [json.dumps({"round": i, "nodes": nodes}) for i, nodes in enumerate(rounds, 1)]
    (folder / "rounds.jsonl").write_text("".join(f"{line}\n" for line in lines))
    for path in folder.iterdir():
        os.utime(path, (at, at))


def test_nodes_are_clients_and_clients_have_rounds(tmp_path: Path) -> None:
    failed = {"failure": "client 2: the node\n\x1b[31mis gone"}
    write_run(
        tmp_path / "run",
        {"0": REPLIED, "2": REPLIED},
        {"0": REPLIED, "2": failed},
        {"0": REPLIED, "2": {"failure": "x" * 300}},
    )
    run = newest_run(tmp_path)
    assert run is not None
    assert (run.name, run.played) == ("run", 3)
    assert run.clients == {18446744073709551615: 0, 12: 2}
    assert run.rounds == {0: ClientRounds(3, 0, ""), 2: ClientRounds(1, 2, "x" * 119 + "…")}


def test_reasons_are_one_line_that_paints_on_no_terminal(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"2": {"failure": "client 2:\tthe node\n\x1b[31m is gone"}})
    run = newest_run(tmp_path / "run")
    assert run is not None
    assert run.rounds[2].last_failure == "client 2: the node [31m is gone"


def test_the_newest_run_is_the_one_written_to_last(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"0": REPLIED}, at=300.0)
    write_run(tmp_path / "b", {"0": REPLIED}, {"0": REPLIED}, at=200.0)
    (tmp_path / "c").mkdir()
    first = newest_run(tmp_path)
    os.utime(tmp_path / "b" / "rounds.jsonl", (400.0, 400.0))
    second = newest_run(tmp_path)
    assert first is not None
    assert second is not None
    assert (first.name, second.name) == ("a", "b")


def test_damage_is_passed_over(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"0": REPLIED})
    with (tmp_path / "run" / "rounds.jsonl").open("ab") as journal:
        journal.write(b'[]\n{"round": "x"}\n{"round": 2, "nodes": {"y": {}, "0": 3}}\n\xff{"rou')
    run = newest_run(tmp_path)
    assert run is not None
    assert (run.played, run.rounds) == (2, {0: ClientRounds(2, 0, "")})
    for damaged in (
        "[1]",
        '{"clients": {"\u00b2": {"node_id": "1"}, "1": {"node_id": "\u00b2"}}}',
        f'{{"clients": {{"{"1" * 5000}": {{"node_id": "1"}}}}}}',
        "[" * 100_000,
    ):
        (tmp_path / "run" / "clients.json").write_text(damaged)
        run = newest_run(tmp_path)
        assert run is not None
        assert run.clients == {}


def test_no_run_and_no_folder(tmp_path: Path) -> None:
    assert newest_run(tmp_path) is None
    with pytest.raises(AdminError, match=r"--runs-dir .*none: expected the server's runs-dir"):
        newest_run(tmp_path / "none")
