"""A SuperExec whose apps start with torch and Flower in memory.

Flower starts a process for every message, and on two cores most of a tiny round goes into
importing torch in three of them. Here one process imports what every app imports, and forks
for each app that the SuperExec wants started. An app still is a process of its own in the
SuperExec's process group, which ends with its message and imports the app's own code afresh.
"""

import json
import os
import signal
import subprocess
import sys
from typing import IO, Any, final

import torch  # noqa: F401 - every app imports it
from flwr.supercore.cli import flower_superexec
from flwr.supercore.superexec.executor import subprocess_executor
from flwr.superlink.cli import flwr_serverapp
from flwr.supernode.cli import flwr_clientapp

APPS = {"flwr-clientapp": flwr_clientapp, "flwr-serverapp": flwr_serverapp}


@final
class Orders:
    """Stands in for ``subprocess`` in Flower's executor, and passes commands on."""

    DEVNULL = subprocess.DEVNULL

    def __init__(self, sink: IO[str]) -> None:
        self._sink = sink

    def Popen(self, command: list[str], **outputs: Any) -> None:  # noqa: N802 - Python's name
        self._sink.write(json.dumps([command, bool(outputs)]) + "\n")
        self._sink.flush()


def start(command: list[str], *, silent: bool) -> None:
    """Fork an app; returns in the parent alone."""
    if os.fork():
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if silent:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    sys.argv = command
    sys.exit(APPS[command[0]]())


def main() -> None:
    source, sink = os.pipe()
    if os.fork() == 0:
        os.close(source)
        subprocess_executor.subprocess = Orders(os.fdopen(sink, "w"))
        flower_superexec()
        return
    os.close(sink)
    # Ended apps leave nothing to be collected.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with os.fdopen(source) as orders:
        for line in orders:
            command, silent = json.loads(line)
            start(command, silent=silent)


if __name__ == "__main__":
    main()
