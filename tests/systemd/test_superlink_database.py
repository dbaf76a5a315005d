"""Copies of the hub's database: whole whatever lies beside it, and what going back undoes."""

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

_PROGRAM = Path(__file__).parents[2] / "systemd" / "superlink_database.py"


def called(action: str, source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(_PROGRAM), action, str(source), str(target)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def nodes(database: Path) -> list[int]:
    with closing(sqlite3.connect(database)) as opened:
        return [number for (number,) in opened.execute("SELECT node_id FROM node ORDER BY 1")]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection that keeps all that it writes beside the database, as the hub's does."""
    with closing(sqlite3.connect(tmp_path / "superlink.db", isolation_level=None)) as opened:
        opened.execute("PRAGMA journal_mode=WAL")
        opened.execute("PRAGMA wal_autocheckpoint=0")
        opened.execute("CREATE TABLE node (node_id INTEGER, status TEXT)")
        opened.execute("INSERT INTO node VALUES (7, 'registered'), (-1, 'online')")
        (tmp_path / "superlink.db").chmod(0o600)
        yield opened


@pytest.mark.usefixtures("hub")
def test_a_copy_has_what_lies_beside_the_database(tmp_path: Path) -> None:
    database, copy = tmp_path / "superlink.db", tmp_path / "copy"
    assert (tmp_path / "superlink.db-wal").stat().st_size > 0
    done = called("keep", database, copy)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        *("copy", "superlink.db", "superlink.db-wal", "superlink.db-shm")
    }
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert nodes(copy) == [-1, 7]


def test_going_back_leaves_nothing_of_the_newer_one_and_tells_what_it_undid(
    hub: sqlite3.Connection, tmp_path: Path
) -> None:
    database, copy = tmp_path / "superlink.db", tmp_path / "copy"
    called("keep", database, copy)
    hub.execute("INSERT INTO node VALUES (8, 'registered')")
    hub.execute("UPDATE node SET status = 'unregistered' WHERE node_id = -1")
    # A hub that was killed leaves its newest part beside.
    beside = tmp_path / "superlink.db-wal"
    newest = beside.read_bytes()
    hub.close()
    beside.write_bytes(newest)
    done = called("restore", copy, database)
    assert done.returncode == 0, done.stderr
    assert not beside.exists()
    assert nodes(database) == [-1, 7]
    assert "no longer registered: node 8;" in done.stdout
    assert f"LET IN AGAIN: node {2**64 - 1};" in done.stdout


def test_what_is_no_database_is_told_and_changes_nothing(tmp_path: Path) -> None:
    database, copy = tmp_path / "superlink.db", tmp_path / "copy"
    database.write_bytes(b"no database" * 99)
    copy.write_bytes(b"before")
    done = called("keep", database, copy)
    assert (done.returncode, "expected a database of SQLite's" in done.stderr) == (1, True)
    assert (copy.read_bytes(), len(list(tmp_path.iterdir()))) == (b"before", 2)
    assert called("keep", tmp_path / "none", copy).returncode == 1
