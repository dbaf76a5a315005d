"""Being asked to stop: heard once, and everything that was started is ended and looked for."""

import os
import shlex
import signal
import subprocess
import sys

import pytest

from local_federation import command_line, processes
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
            with heeding_signals() as within:  # it hears what the outer one hears
                assert within.stop is stopped.value
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
        (
            "simulate --set resume=true --set=resume-from=3",
            "simulate --set resume=true --set=resume-from=0",
        ),
        ("deploy --set 'resume = true'", "deploy --set 'resume = true'"),
        ("deploy --set=resume=true --repl", "deploy --set=resume=true"),
        ("deploy --set resume=false", "deploy --set resume=true"),
        ("deploy --set=resume=false --clients 2", "deploy --set=resume=true --clients 2"),
        ("simulate --name presume=true", "simulate --name presume=true --set resume=true"),
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


def test_a_signal_while_modules_load_ends_with_the_command_as_it_was_typed() -> None:
    program = """
import os, signal, sys
from local_federation import __main__ as door
def fork_engine(_):
    try:
        os.kill(os.getpid(), signal.SIGHUP)
    except BaseException:
        raise ImportError from None
door.fork_engine = fork_engine
sys.argv = ["local_federation", "demo", "--folder", "a b"]
sys.exit(door.main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 128 + signal.SIGHUP, done.stderr
    assert done.stdout.splitlines()[-1] == "python -m local_federation demo --folder 'a b'"


def test_whoever_reads_no_more_does_not_keep_a_command_from_ending() -> None:
    program = "from local_federation.stopping import say_last; say_last('a'); say_last('b')"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_waits_for_those_who_are_asked_to_end_add_up_to_less_than_was_promised() -> None:
    # A run, its nodes and their SuperLink, one after another; then whatever else is found.
    assert 3 * processes.GRACE_S + command_line.END_S < 15


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells of parents on Linux")
def test_who_begins_after_its_parent_has_gone_ends_at_once() -> None:
    program = """
import os, sys, time
from local_federation.engine.parent import end_with_parent
parent = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == parent:
    time.sleep(0.01)
print("left alone", flush=True)
end_with_parent(parent)
print("played on", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "left alone\n"
