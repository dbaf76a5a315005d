"""An engine that waits for what it is to play, and ends whatever happens."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fresh_processes import ROOT, FreshProcesses

# The engine tells its group and what it found, and then sleeps for as many seconds as clients.
PROGRAM = """
import os, sys, time
from pathlib import Path
from local_federation.engine.ahead import fork_engine
from local_federation.engine.resources import Resources
from local_federation.engine.start import Asked

def play(asked):
    print(os.getpgid(0), os.environ["FLWR_HOME"], asked["clients"])
    time.sleep(asked["clients"])
    return 0

def import_all():
    assert os.environ["JE_ARROW_MALLOC_CONF"] == "background_thread:false"
    return play

home, seconds = Path(sys.argv[1]), int(sys.argv[2])
(home / "logs").mkdir()
os.environ["OMP_NUM_THREADS"] = "5"
engine = fork_engine(import_all)
assert "JE_ARROW_MALLOC_CONF" not in os.environ
assert engine.running()
engine.start(Asked([], seconds, Resources(), home, 1, False))
while not (engine.log.exists() and engine.log.read_text().endswith("\\n")):
    assert engine.running()
    time.sleep(0.01)
group = int(engine.log.read_text().split()[0])
assert group != os.getpgid(0)
while not seconds and engine.running():
    time.sleep(0.01)
engine.stop()
assert not engine.running()
try:
    os.killpg(group, 0)
except ProcessLookupError:
    print(engine.log, engine.log.read_text())
"""


@pytest.mark.parametrize("seconds", ["0", "60"])
def test_it_plays_in_a_group_of_its_own_until_it_ends_or_is_stopped(
    fresh_processes: FreshProcesses, tmp_path: Path, seconds: str
) -> None:
    done = fresh_processes.run("-c", PROGRAM, str(tmp_path), seconds)
    assert done.returncode == 0, done.stderr
    log, _, flower, clients = done.stdout.split()
    assert log == str(tmp_path / "logs" / "engine.log")
    assert (flower, clients) == (str(tmp_path / "flwr"), seconds)


def test_one_that_is_not_asked_for_anything_can_be_stopped(fresh_processes: FreshProcesses) -> None:
    program = """
from local_federation.engine.ahead import ForkedEngine
engine = ForkedEngine(lambda asked: 0)
assert engine.running()
engine.stop()
print(engine.running())
"""
    done = fresh_processes.run("-c", program)
    assert done.stdout == "False\n", done.stderr


def test_what_forks_ahead_has_not_imported_torch_by_itself() -> None:
    # The engine's environment must be there before torch is.
    program = "import sys, local_federation.engine.ahead; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
