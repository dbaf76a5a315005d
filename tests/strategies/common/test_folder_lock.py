"""One process at a time in a folder; whoever comes second learns who was first."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from strategies.common import folder_lock
from strategies.common.errors import StoreError
from strategies.common.folder_lock import NAME, hold

HOLDER = """
import sys, time
from pathlib import Path
from strategies.common.folder_lock import hold
kept = hold(Path(sys.argv[1]), RuntimeError)
print("held", flush=True)
time.sleep(60)
"""


def test_the_second_is_refused_with_who_holds_it_and_since_when(tmp_path: Path) -> None:
    with hold(tmp_path, StoreError), pytest.raises(StoreError) as refused:
        hold(tmp_path, StoreError)
    who = rf"process {os.getpid()} on {socket.gethostname()} since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d"
    assert refused.match(f"^{who}")


def test_letting_go_leaves_nothing_and_lets_the_next_in(tmp_path: Path) -> None:
    for _ in range(2):
        with hold(tmp_path, StoreError) as held:
            assert [file.name for file in tmp_path.iterdir()] == [NAME]
        held.release()
        assert list(tmp_path.iterdir()) == []


def test_a_file_that_stays_is_signed_anew_and_binds_nobody(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(json.dumps({"pid": 7, "host": "x" * 200, "since": "long ago"}))
    for _ in range(2):
        hold(tmp_path, StoreError, stays=True).release()
        assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
    with hold(tmp_path, StoreError, stays=True), pytest.raises(StoreError, match=r"^process \d"):
        hold(tmp_path, StoreError)


def test_a_holder_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        started = time.monotonic()
        with pytest.raises(StoreError, match=f"process {holder.pid} on "):
            hold(tmp_path, StoreError)
        assert time.monotonic() - started < 2
        holder.send_signal(signal.SIGKILL)
    # What it wrote is still there, and binds nobody.
    assert json.loads((tmp_path / NAME).read_text())["pid"] == holder.pid
    hold(tmp_path, StoreError).release()


def test_who_waits_comes_in_when_the_other_is_done(tmp_path: Path) -> None:
    held = hold(tmp_path, StoreError)
    threading.Timer(0.1, held.release).start()
    with hold(tmp_path, StoreError, wait_s=20):
        assert (tmp_path / NAME).exists()


def test_a_lock_that_went_with_its_file_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, handles = folder_lock._lock, list[int]()

    def removed_meanwhile(handle: int, folder: Path) -> bool:
        if not handles:
            (folder / NAME).unlink()
        handles.append(handle)
        return lock(handle, folder)

    monkeypatch.setattr(folder_lock, "_lock", removed_meanwhile)
    with hold(tmp_path, StoreError), pytest.raises(StoreError):
        hold(tmp_path, StoreError)
    assert len(handles) == 3


def test_a_disk_without_locks_is_a_warning_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    assert folder_lock.fcntl is not None
    monkeypatch.setattr(folder_lock.fcntl, "flock", none)
    monkeypatch.setattr(folder_lock, "_warned", set())
    with hold(tmp_path, StoreError), hold(tmp_path, StoreError):
        pass
    (told,) = caplog.messages
    assert "cannot be locked (No locks available)" in told
