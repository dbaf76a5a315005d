"""The Python door by real processes, from a folder and a program of a user's own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from loopback import Federation, without_clocks

pytestmark = pytest.mark.deployed

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, bool | int | float | str] = {
    "method": "fedproto",
    "models": "cnn,mine.py:net",
    "data": "digits",
    "max-samples": 40,
    "feature-dim": 16,
    "rounds": 2,
    "device": "cpu",
    "server-device": "cpu",
}
MINE = """
from torch import nn

def net(inputs, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs.height * inputs.width, 8), nn.ReLU())
"""
# It has threads, and no guard against being imported: nothing of it may be forked or run again.
PROGRAM = f"""
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
from nectar import play
run = play({SETTINGS!r}, clients=3, name="test", workers=2)
print(run.accuracy, run.folder)
"""


def test_a_script_with_threads_has_the_digits_of_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    # A name that one of our packages has.
    (tmp_path / "models.py").write_text("raise ValueError('the wrong models')\n")
    (tmp_path / "script.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "round 2/2 · accuracy " in done.stdout
    monkeypatch.chdir(tmp_path)
    lines = Federation(tmp_path / "loopback", 3, SETTINGS).play()
    told = (tmp_path / "runs" / "test" / "rounds.jsonl").read_text().splitlines()
    assert without_clocks([json.loads(line) for line in told]) == without_clocks(lines)
    assert done.stdout.splitlines()[-1] == f"{lines[-1]['accuracy']} {tmp_path / 'runs' / 'test'}"
