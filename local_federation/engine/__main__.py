"""Plays runs in a process of its own: ``python -m local_federation.engine RUNS.json PARENT``."""

import json
import os
import sys
from pathlib import Path

# ``python -m`` looks into the working folder first, where a user may have a file models.py.
sys.path.insert(0, str(Path(__file__).parents[2]))

from local_federation.engine.parent import end_with_parent


def main() -> int:
    """Play what a file asks for, and end with the process that started this one."""
    end_with_parent(int(sys.argv[2]) if sys.argv[2:] else os.getppid())
    # It takes seconds, in which the parent may end.
    from local_federation.engine.runs import play_runs  # noqa: PLC0415

    return play_runs(json.loads(Path(sys.argv[1]).read_text()))


if __name__ == "__main__":
    sys.exit(main())
