"""Upgrades and ways back, played in a folder: which database each release finds."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_RELEASES = ("a", "b", "c")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return a machine with a hub, whose release a is in use, and its installer."""
    for name in ("home/releases", "state", "units", "bin", "checkout"):
        (tmp_path / name).mkdir(parents=True)
    for path in ROOT.iterdir():
        if path.name != "systemd":
            (tmp_path / "checkout" / path.name).symlink_to(path)
    shutil.copytree(ROOT / "systemd", tmp_path / "checkout" / "systemd")
    script = tmp_path / "checkout" / "systemd" / "install.sh"
    text = script.read_text()
    for name, place in (
        *(("home", "/opt/nectar"), ("state", "/var/lib/nectar")),
        ("units", "/etc/systemd/system"),
    ):
        text = text.replace(f"{name}={place}\n", f"{name}={tmp_path / name}\n")
    script.write_text(text)
    # Whoever plays this need not be root.
    for path in (script, script.with_name("options.sh")):
        path.write_text(path.read_text().replace("$EUID", "0").replace("EUID", "0"))
    write(tmp_path / "bin" / "systemctl", f'echo "$@" >>{tmp_path}/calls')
    write(
        tmp_path / "bin" / "python",
        f'[[ $1 != -m ]] || {{ mkdir -p "$3/bin"; ln -s {sys.executable} "$3/bin/python"; '
        f'ln -s /bin/true "$3/bin/pip"; exit; }}\nexec {sys.executable} "$@"',
    )
    for name in _RELEASES:
        (tmp_path / "home" / "releases" / name / "bin").mkdir(parents=True)
        (tmp_path / "home" / "releases" / name / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "home" / "current").symlink_to(tmp_path / "home" / "releases" / "a")
    (tmp_path / "units" / "nectar-superlink.service").touch()
    write_hub(tmp_path, "of a")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def write_hub(machine: Path, word: str) -> None:
    with closing(sqlite3.connect(machine / "state" / "superlink.db")) as opened, opened:
        opened.execute("CREATE TABLE IF NOT EXISTS said (word TEXT)")
        opened.execute("INSERT INTO said VALUES (?)", (word,))


def words(machine: Path, name: str = "superlink.db") -> list[str]:
    with closing(sqlite3.connect(machine / "state" / name)) as opened:
        return [word for (word,) in opened.execute("SELECT word FROM said")]


def installer(machine: Path, *words: str) -> subprocess.CompletedProcess[str]:
    script = machine / "checkout" / "systemd" / "install.sh"
    return subprocess.run(
        ["/bin/bash", str(script), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": f"{machine / 'bin'}:{os.environ['PATH']}"},
    )


def used(machine: Path) -> str:
    return (machine / "home" / "current").readlink().name


def test_each_release_finds_the_database_that_it_left(machine: Path) -> None:
    done = installer(machine, "upgrade", "--python", str(machine / "bin" / "python"))
    assert done.returncode == 0, done.stderr
    newer = used(machine)
    assert newer not in _RELEASES
    assert words(machine) == ["of a"]
    write_hub(machine, "of the newer")
    assert installer(machine, "rollback").returncode == 0
    assert (used(machine), words(machine)) == ("a", ["of a"])
    # What was undone is not lost, and is there again for the release that it is of.
    assert words(machine, f"superlink.db.of-{newer}") == ["of a", "of the newer"]
    write_hub(machine, "of a again")
    assert installer(machine, "rollback").returncode == 0
    assert (used(machine), words(machine)) == (newer, ["of a", "of the newer"])
    assert words(machine, "superlink.db.of-a") == ["of a", "of a again"]
    assert installer(machine, "rollback").returncode == 0
    assert (used(machine), words(machine)) == ("a", ["of a", "of a again"])


def test_a_release_without_a_copy_keeps_the_database_of_now(machine: Path) -> None:
    (machine / "home" / "previous").symlink_to(machine / "home" / "releases" / "b")
    (machine / "state" / "superlink.db.of-c").write_text("of two upgrades ago")
    assert installer(machine, "rollback").returncode == 0
    assert (used(machine), words(machine)) == ("b", ["of a"])


def test_where_the_database_cannot_be_kept_the_hub_starts_again(machine: Path) -> None:
    (machine / "home" / "previous").symlink_to(machine / "home" / "releases" / "b")
    (machine / "state" / "superlink.db").write_bytes(b"no database" * 99)
    done = installer(machine, "rollback")
    assert done.returncode == 2
    assert "expected a database of SQLite's" in done.stderr
    assert "nothing was switched, for the reason above" in done.stderr
    calls = (machine / "calls").read_text().splitlines()
    assert calls == ["stop nectar-superlink.service", "start nectar-superlink.service"]
    assert used(machine) == "a"


def test_a_machine_that_is_no_hub_any_more_stops_none(machine: Path) -> None:
    (machine / "home" / "previous").symlink_to(machine / "home" / "releases" / "b")
    (machine / "units" / "nectar-superlink.service").unlink()
    assert installer(machine, "rollback").returncode == 0
    assert not (machine / "calls").exists()
