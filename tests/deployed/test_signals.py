"""A command that is asked to stop ends all that it started, and says how to go on."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local_federation.descendants import descendants
from tests.loopback import without_clocks

pytestmark = [
    pytest.mark.deployed,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc"),
]

SETTINGS = ("rounds=6", "max-samples=60", 'models="cnn"', 'device="cpu"', 'writers=""')


def command(folder: Path, name: str) -> list[str]:
    words = ["--method", "fd", "--clients", "2", "--folder", str(folder), "--name", name]
    told = [word for setting in SETTINGS for word in ("--set", setting)]
    return [sys.executable, "-m", "local_federation", "simulate", *words, *told]


def lines(folder: Path) -> list[dict[str, object]]:
    text = (folder / "rounds.jsonl").read_text()
    return [without_clocks(json.loads(line)) for line in text.splitlines()]


def test_sigterm_in_mid_round_ends_all_and_the_last_line_goes_on(tmp_path: Path) -> None:
    output = subprocess.PIPE
    # Side by side in one folder; orders carry the name of the run, whose length is counted.
    other = subprocess.Popen(command(tmp_path, "undisturbed"), stdout=subprocess.DEVNULL)
    stopped = subprocess.Popen(command(tmp_path, "interrupted"), stdout=output, text=True)
    journal = tmp_path / "interrupted" / "rounds.jsonl"
    while not journal.exists() or not journal.stat().st_size:
        assert stopped.poll() is None
        time.sleep(0.02)
    started = set(descendants(stopped.pid))
    assert len(started) >= 3  # an engine, a server and a client at least
    stopped.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    told, _ = stopped.communicate(timeout=30)
    assert time.monotonic() - asked < 15
    assert stopped.returncode == 128 + signal.SIGTERM
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert "everything that was started has been ended" in told
    assert other.wait(120) == 0
    assert 1 <= len(lines(tmp_path / "interrupted")) < 6

    again = shlex.split(told.splitlines()[-1])
    assert again[-2:] == ["--set", "resume=true"]
    subprocess.run(again, check=True, stdout=subprocess.DEVNULL, timeout=120)
    assert lines(tmp_path / "interrupted") == lines(tmp_path / "undisturbed")

    refused = subprocess.run(
        command(tmp_path, "interrupted"), check=False, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert "holds a run already" in refused.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("kind", "phase", "name"),
    [
        ("ray", "mid-round", "INT"),
        ("deploy", "mid-round", "TERM"),
        ("demo", "report", "HUP"),
        ("compare", "mid-round", "INT"),
    ],
)
@pytest.mark.thorough
def test_whoever_carries_clients_they_end_and_the_last_line_goes_on(
    kind: str, phase: str, name: str
) -> None:
    # In a process of its own: whatever a command leaves behind comes back to it, to be ended.
    words = ["--kinds", kind, "--phases", phase, "--signals", name]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ended_commands", *words],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "equal" in done.stdout
