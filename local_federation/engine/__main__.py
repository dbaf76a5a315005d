"""Plays runs in a process of its own: ``python -m local_federation.engine RUNS.json``."""

import json
import sys
from pathlib import Path

# ``python -m`` looks into the working folder first, where a user may have a file models.py.
sys.path.insert(0, str(Path(__file__).parents[2]))

from local_federation.engine.parent import end_with_parent
from local_federation.engine.runs import play_runs


def main() -> int:
    """Play what a file asks for."""
    end_with_parent()
    return play_runs(json.loads(Path(sys.argv[1]).read_text()))


if __name__ == "__main__":
    sys.exit(main())
