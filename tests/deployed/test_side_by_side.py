"""Commands at once in one checkout: each has its own results, and none takes another's run."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.loopback import without_clocks

pytestmark = [pytest.mark.deployed, pytest.mark.thorough, pytest.mark.timeout(600)]

SETTINGS = ("rounds=3", "max-samples=60", 'models="cnn"', 'device="cpu"', 'writers=""')
DEMO = ("fedktl.server-epochs=5", "oriented.image-size=16")
# Beyond what it takes to start Python and to read the command line.
REFUSED_WITHIN_S = 2.0


def started(folder: Path, *words: str, settings: tuple[str, ...] = SETTINGS) -> subprocess.Popen:
    told = [word for setting in settings for word in ("--set", setting)]
    words = (*words, "--clients", "2", "--folder", str(folder), *told)
    return subprocess.Popen(
        [sys.executable, "-m", "local_federation", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(command: subprocess.Popen) -> tuple[int, str]:
    said, _ = command.communicate(timeout=500)
    return command.returncode, said


def lines(run: Path) -> list[dict[str, object]]:
    written = (run / "rounds.jsonl").read_text().splitlines(keepends=True)
    return [without_clocks(json.loads(line)) for line in written if line.endswith("\n")]


def test_commands_at_once_end_well_each_with_its_own_results(tmp_path: Path) -> None:
    # Orders carry the name of the run, whose length is counted.
    commands = {
        "one": started(tmp_path, "simulate", "--method", "fd", "--name", "one"),
        "two": started(
            tmp_path, "simulate", "--method", "fd", "--name", "two",
            settings=(*SETTINGS, "seed=1"),
        ),
        "end": started(tmp_path, "deploy", "--method", "fd", "--name", "end"),
        "demo": started(tmp_path, "demo", settings=(*SETTINGS, *DEMO)),
    }  # fmt: skip
    for name, command in commands.items():
        status, said = ended(command)
        assert status == 0, said
        for run in (tmp_path / name, tmp_path / f"{name}-local"):
            assert [line["round"] for line in lines(run)] == [1, 2, 3]
            assert (run / "report.html").exists()
    # Simulated and deployed, one federation has the same digits; another seed has others.
    assert lines(tmp_path / "one") == lines(tmp_path / "end")
    assert lines(tmp_path / "one") != lines(tmp_path / "two")
    assert not (tmp_path / ".federation" / "runs" / "one" / ".in-use").exists()


@pytest.mark.parametrize("kind", ["simulate", "deploy"])
def test_a_second_command_on_one_run_is_refused_in_two_seconds(tmp_path: Path, kind: str) -> None:
    # It has no baseline that is played before it.
    words = (kind, "--method", "local", "--name", "one")
    first = started(tmp_path, *words, settings=("rounds=100000", *SETTINGS[1:]))
    journal = tmp_path / "one" / "rounds.jsonl"
    while not journal.exists() or not journal.stat().st_size:
        assert first.poll() is None
        time.sleep(0.02)
    took = []
    for settings, told in (
        (("rounds=none",), "setting rounds: "),
        (("rounds=100000", *SETTINGS[1:], "resume=true"), "this run is played by process "),
    ):
        begun = time.monotonic()
        status, said = ended(started(tmp_path, *words, settings=settings))
        took.append(time.monotonic() - begun)
        assert status == 1
        assert told in said.splitlines()[-1]
    assert took[1] - took[0] < REFUSED_WITHIN_S
    before = len(lines(tmp_path / "one"))
    while len(lines(tmp_path / "one")) <= before + 1:
        assert first.poll() is None, "it was over before it could be disturbed"
        time.sleep(0.02)
    first.send_signal(signal.SIGTERM)
    assert ended(first)[0] == 128 + signal.SIGTERM
    numbers = [line["round"] for line in lines(tmp_path / "one")]
    assert numbers == list(range(1, len(numbers) + 1))
