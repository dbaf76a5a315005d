"""Run a SuperExec whose apps are ready in an instant.

``python -m warm_worker flower-superexec OPTIONS``.
"""

import argparse
import shutil
import sys
from pathlib import Path

from warm_worker.supervisor import supervise

_ABOUT = """Run a SuperExec whose apps are ready in an instant: a server process keeps in memory
what they import, and forks for each message. Apps stay processes of their own; if the server
cannot be used, they start as Flower starts them, and a line on standard error says so."""


def main() -> int:
    """Run the command line and return the exit status of what it ran."""
    parser = argparse.ArgumentParser(prog="python -m warm_worker", description=_ABOUT)
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="keep there what was learnt, so that the first message after a boot finds it imported",
    )
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        metavar="flower-superexec OPTIONS",
        help="what to run, e.g. flower-superexec --insecure --runtime-api-address 127.0.0.1:9094",
    )
    arguments = parser.parse_args()
    command: list[str] = arguments.command
    if not command:
        parser.error("expected a command to run, e.g. flower-superexec, and its options; got none")
    if shutil.which(command[0]) is None:
        parser.error(f"there is no program {command[0]} on the PATH; is its environment active?")
    # Programs of this environment have its folder there; apps are to find no other code.
    sys.path[0] = str(Path(sys.executable).parent)
    return supervise(command, arguments.keep)


if __name__ == "__main__":
    sys.exit(main())
