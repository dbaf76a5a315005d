"""Run federations on this machine: ``python -m local_federation demo|simulate|compare|...``."""

import sys
from pathlib import Path

# ``python -m`` looks into the working folder first, where a user may have a file models.py.
sys.path.insert(0, str(Path(__file__).parents[1]))

from local_federation.engine.ahead import PlayRuns, fork_engine
from local_federation.stopping import (
    Heard,
    command_to_go_on,
    heeding_signals,
    ignore_signals,
    say_last,
)


def main() -> int:
    """Fork the engine, play what the command line asks for, and return the exit status."""
    with heeding_signals() as heard:
        try:
            status = _play(heard)
        except BaseException:
            # Imports are interrupted too: some go on whatever is raised, others raise their own.
            if heard.stop is None:
                raise
            again = command_to_go_on(by_setting=False)
            say_last("stopped before anything was begun. To begin:", again)
            status = heard.stop.exit_status
    if heard.stop:
        # Nobody's patience is to put a traceback below the line that goes on.
        ignore_signals()
    return status


def _play(heard: Heard) -> int:
    engine = fork_engine(_import_all)
    from local_federation import command_line  # noqa: PLC0415 - imported for the engine as well

    if heard.stop:
        raise heard.stop
    return command_line.main(engine.start)


def _import_all() -> PlayRuns:
    from local_federation import command_line  # noqa: F401, PLC0415 - the engine's fork has it too
    from local_federation.engine.runs import play_runs  # noqa: PLC0415

    return play_runs


if __name__ == "__main__":
    sys.exit(main())
