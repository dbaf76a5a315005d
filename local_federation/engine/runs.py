"""Runs, one or several at a time, each in a fork of a process that has imported all it needs."""

import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from client_app.data import prepared
from local_federation.engine.parent import end_with_parent, write_into
from local_federation.engine.play import play
from local_federation.engine.resources import Resources
from local_federation.engine.status import write_status
from strategies.common.errors import NectarError
from strategies.common.run_config import default_config, read_run


def play_runs(asked: Mapping[str, Any]) -> int:
    """Play what is asked for, say of each run how it ended, and return the exit status.

    Parameters
    ----------
    asked : Mapping[str, Any]
        What :class:`~local_federation.engine.start.Asked` holds, as plain values.
    """
    home = Path(asked["home"])
    # Whoever started this process ends it; Ctrl-C in a terminal reaches both.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _import_for(asked["runs"], asked["clients"])
    waiting = list(asked["runs"])
    playing: dict[int, str] = {}
    failed = False
    while playing or waiting:
        while waiting and len(playing) < asked["at_once"]:
            run = waiting.pop(0)
            playing[_begin(run, asked, home)] = run["run-name"]
        pid, how = os.wait()
        code = os.waitstatus_to_exitcode(how)
        with suppress(OSError):  # then this process's exit status says it
            write_status(home / "statuses", playing.pop(pid), code)
        failed = failed or code != 0
        if failed and not asked["go_on"]:
            waiting.clear()
    return int(failed)


def _import_for(runs: Sequence[dict[str, Any]], num_clients: int) -> None:
    """Import for all runs and clients what they need to prepare data that is not there yet."""
    for run in runs:
        with suppress(NectarError):
            settings = read_run({**default_config(), **run})
            partitions = num_clients * settings.clients_per_node
            folder = Path(settings.state_dir).expanduser().resolve() / "prepared"
            prepared.import_for(settings, partitions, folder)


def _begin(run: dict[str, Any], asked: Mapping[str, Any], home: Path) -> int:
    """Fork for a run and return its process id."""
    parent, pid = os.getpid(), os.fork()
    if pid == 0:
        code = 1
        try:
            end_with_parent(parent)
            with suppress(OSError):  # a run is not to fail for its log
                write_into(home / "logs" / f"run-{run['run-name']}.log")
            code = _play_one(run, asked["clients"], Resources(**asked["resources"]))
        finally:
            # Whatever is wrong, what follows is for the process that was forked.
            os._exit(code)
    return pid


def _play_one(run: dict[str, Any], num_clients: int, resources: Resources) -> int:
    try:
        play({**default_config(), **run}, num_clients, resources)
    except NectarError as error:
        # With its kind, as errors of clients stand in the log that did not end the run.
        told = "".join(traceback.format_exception_only(error)).rstrip()
        sys.stderr.write(" ".join(told.split("\n")) + "\n")
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
    return 0
