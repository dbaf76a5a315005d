"""Compare runs: ``python -m server_app.compare RUN_DIR... [--out FOLDER] [--reach 0.8]``."""

import sys
from collections.abc import Sequence
from pathlib import Path

from server_app.compare.page import write_comparison
from strategies.common.errors import NectarError
from strategies.common.home import expanded
from strategies.common.typed_once import CommandLine


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a comparison and say where it is.

    Parameters
    ----------
    arguments : Sequence[str] | None
        The command line; ``None`` takes the process's own.

    Returns
    -------
    int
        Exit status: 0, or 1 if the runs cannot be compared.
    """
    parser = CommandLine(prog="python -m server_app.compare", description=__doc__)
    parser.add_argument("run_dirs", nargs="*", type=Path, metavar="RUN_DIR", help="folder of a run")
    parser.add_argument(
        "--out", type=Path, default=Path("comparison"), help="takes page and tables (comparison)"
    )
    parser.add_argument(
        "--reach",
        type=float,
        help="accuracy to which rounds and bytes are counted (95%% of the lowest row's last)",
    )
    asked = parser.parse_args(arguments)
    try:
        run_dirs, out = list(map(expanded, asked.run_dirs)), expanded(asked.out, "--out ")
        page = write_comparison(run_dirs, out, reach=asked.reach)
    except NectarError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{page}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
