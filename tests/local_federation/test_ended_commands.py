"""Being asked to stop: heard once, and everything that was started is ended and looked for."""

import os
import shlex
import signal
import subprocess
import sys

import pytest

from local_federation.stopping import Stop, command_to_go_on, heeding_signals

# It starts an orphan in a session of its own, and one that does not heed polite requests.
STARTS = """
import os, subprocess, sys, time
from local_federation import descendants
descendants._ASKED_S = 0.3
descendants.keep_orphans()
subprocess.Popen(["sh", "-c", "setsid sleep 61 & exit"]).wait()
subprocess.Popen(["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"], start_new_session=True)
while len(descendants.descendants(os.getpid())) < 2:
    time.sleep(0.01)
print(sorted(descendants.descendants(os.getpid())), flush=True)
print(dict(descendants.end_descendants(10)), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_once_and_then_leaves_in_peace(number: int) -> None:
    # Whoever runs these tests by nohup has them begin with one that is ignored.
    found = signal.signal(number, signal.default_int_handler)
    try:
        with heeding_signals():
            with pytest.raises(Stop) as stopped:
                os.kill(os.getpid(), number)
            assert stopped.value.exit_status == 128 + number
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, found)


def test_a_closed_terminal_does_not_end_what_nohup_started() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with heeding_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
def test_orphans_and_stubborn_ones_are_found_and_ended() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTS], capture_output=True, text=True, timeout=60, check=True
    )
    pids, left = done.stdout.splitlines()
    assert left == "{}"
    for pid in pids.strip("[]").split(","):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@pytest.mark.parametrize(
    ("typed", "goes_on"),
    [
        ("simulate --name 'a b'", "simulate --name 'a b' --set resume=true"),
        ("simulate --replace --set rounds=3", "simulate --set rounds=3 --set resume=true"),
        ("deploy --set resume=true", "deploy --set resume=true"),
    ],
)
def test_the_command_that_goes_on_is_told_as_it_is_typed(
    monkeypatch: pytest.MonkeyPatch, typed: str, goes_on: str
) -> None:
    words = shlex.split(typed)
    monkeypatch.setattr(sys, "argv", ["/checkout/local_federation/__main__.py", *words])
    started = [".venv/bin/python", "-m", "local_federation", *words]
    monkeypatch.setattr(sys, "orig_argv", started)
    told = command_to_go_on(by_setting=True)
    assert told == f".venv/bin/python -m local_federation {goes_on}"
    assert command_to_go_on(by_setting=False) == shlex.join(started)
