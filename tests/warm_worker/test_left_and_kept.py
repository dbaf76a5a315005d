"""What dead workers leave behind is cleared up, and what is kept for a boot is names alone."""

import fcntl
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.warm_worker.workplace import Workplace, alive, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")

# What dead workers leave


def test_folders_of_workers_that_were_killed_are_removed_and_no_others(
    workplace: Workplace,
) -> None:
    with workplace.working():
        dead = workplace.launcher().parent
        server = workplace.server()
        os.killpg(workplace.worker.pid, signal.SIGKILL)
        wait_for(lambda: not alive(server), "the end of the server")
        workplace.worker.wait(20)
    tmp = workplace.folder / "tmp"
    old, elsewhere = tmp / "warm-worker-old", workplace.folder / "elsewhere"
    for place in (old, elsewhere, tmp / "other"):
        place.mkdir()
        (place / "file").touch()
    (tmp / "warm-worker-link").symlink_to(elsewhere)
    (tmp / "warm-worker-file").touch()
    held = tmp / "warm-worker-held"
    held.mkdir()
    with socket.socket(socket.AF_UNIX) as listening, locked(held):
        # A worker of an earlier version: it holds no lock, and answers.
        (tmp / "warm-worker-live").mkdir()
        listening.bind(str(tmp / "warm-worker-live" / "socket"))
        listening.listen()
        with workplace.working():
            assert workplace.play("print('well')").stdout == "well\n"
            assert not dead.exists()
            assert not old.exists()
            left = {place.name for place in tmp.iterdir()} - {workplace.launcher().parent.name}
    kept = {"link", "file", "held", "live"}
    assert left == {"other", *(f"warm-worker-{name}" for name in kept)}
    assert (elsewhere / "file").exists()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    yield
    os.close(held)


# What is kept for the next boot

TOLD = "import sys; print('colorsys' in sys.modules, 'bundled' in sys.modules); import colorsys"


def test_what_was_learnt_is_there_at_the_first_message_after_a_boot(
    workplace: Workplace, tmp_path: Path
) -> None:
    keep, bundle = tmp_path / "new" / "kept", workplace.bundle("first")
    options = ["--keep", str(keep)]
    with workplace.working(options=options):
        assert workplace.play(TOLD).stdout == "False False\n"
        workplace.play("pass", bundle)
        # The server has learnt once it answers again.
        assert workplace.play(TOLD).stdout == "True True\n"
    assert keep.stat().st_mode & 0o777 == 0o700
    (file,) = keep.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    names = json.loads(file.read_text())
    # Code of bundles comes with their messages.
    assert "colorsys" in names
    assert "bundled" not in names
    with workplace.working(options=options):
        assert workplace.play(TOLD).stdout == "True False\n"
    # Without it all is forgotten.
    with workplace.working():
        assert workplace.play(TOLD).stdout == "False False\n"


@pytest.mark.thorough
@pytest.mark.parametrize("spoilt", ["mode", "link", "file"])
def test_what_others_may_write_is_not_imported(
    workplace: Workplace, tmp_path: Path, spoilt: str
) -> None:
    keep, elsewhere = tmp_path / "kept", tmp_path / "elsewhere"
    for folder in (keep, elsewhere):
        folder.mkdir()
        (folder / "modules.json").write_text('["colorsys"]')
    if spoilt == "mode":
        keep.chmod(0o770)
    elif spoilt == "link":
        keep = tmp_path / "link"
        keep.symlink_to(elsewhere)
    else:
        (keep / "modules.json").chmod(0o666)
    with workplace.working(options=["--keep", str(keep)]):
        assert workplace.play(TOLD).stdout == "False False\n"
    assert ("nothing is kept" in workplace.said()) == (spoilt != "file")


@pytest.mark.parametrize(
    "text", ["", "{}", "[1, null]", '["no.such.module", "../x", "a b", "os; 1/0"]', "[" * 100_000]
)
@pytest.mark.thorough
def test_a_damaged_file_is_as_good_as_none(workplace: Workplace, tmp_path: Path, text: str) -> None:
    (tmp_path / "kept").mkdir(mode=0o700)
    (tmp_path / "kept" / "modules.json").write_text(text)
    with workplace.working(options=["--keep", str(tmp_path / "kept")]):
        assert workplace.play("print('well')").stdout == "well\n"
    assert workplace.said() == ""


@pytest.mark.thorough
def test_what_keeps_a_server_from_starting_is_forgotten(
    workplace: Workplace, tmp_path: Path
) -> None:
    (workplace.libraries / "deadly.py").write_text("import os\nos._exit(3)\n")
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o700)
    (kept / "modules.json").write_text('["colorsys", "deadly"]')
    with workplace.working(options=["--keep", str(kept)]):
        assert workplace.play("print('well')").stdout == "well\n"
        assert workplace.said().count("it is started again") == 1
    assert "deadly" not in (kept / "modules.json").read_text()
