"""Plays runs one after another: ``python -m local_federation.engine RUNS.json``.

It imports once what servers and clients need, and forks itself for every run.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

# ``python -m`` looks into the working folder first, where a user may have a file models.py.
sys.path.insert(0, str(Path(__file__).parents[2]))

from local_federation.engine.parent import end_with_parent
from local_federation.engine.play import play
from local_federation.engine.resources import Resources
from local_federation.engine.status import write_status
from strategies.common.errors import NectarError
from strategies.common.settings import default_config


def main() -> int:
    """Play what a file asks for, and say of each run how it ended."""
    end_with_parent()
    asked: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    home = Path(asked["home"])
    # Whoever started this process ends it; Ctrl-C in a terminal reaches both.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for run in asked["runs"]:
        pid = os.fork()
        if pid == 0:
            end_with_parent()
            _write_into(home / "logs" / f"run-{run['run-name']}.log")
            os._exit(_play_one(run, asked["clients"], Resources(**asked["resources"])))
        _, how = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(how)
        write_status(home / "statuses", run["run-name"], code)
        if code:
            return 1
    return 0


def _write_into(log: Path) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(handle, stream)


def _play_one(run: dict[str, Any], num_clients: int, resources: Resources) -> int:
    try:
        play({**default_config(), **run}, num_clients, resources)
    except NectarError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
