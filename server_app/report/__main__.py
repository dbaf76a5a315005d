"""Write a run's report again: ``python -m server_app.report RUN_DIR [--compare RUN_DIR]``."""

import sys
from collections.abc import Sequence
from pathlib import Path

from server_app.report.page import write_report
from strategies.common.errors import NectarError
from strategies.common.home import expanded
from strategies.common.typed_once import CommandLine


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report and say where it is.

    Parameters
    ----------
    arguments : Sequence[str] | None
        The command line; ``None`` takes the process's own.

    Returns
    -------
    int
        Exit status: 0, or 1 if a folder cannot be read.
    """
    parser = CommandLine(prog="python -m server_app.report", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="folder of the run")
    parser.add_argument("--compare", type=Path, help="folder of a run to draw beside it")
    asked = parser.parse_args(arguments)
    try:
        other = None if asked.compare is None else expanded(asked.compare, "--compare ")
        page = write_report(expanded(asked.run_dir), compare_dir=other)
    except NectarError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{page}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
