"""A federation of processes on this machine, simulated or deployed, started and stopped whole."""

import sys
from pathlib import Path

# ``python -m`` looks into the working folder first, where a user may have a file models.py.
sys.path.insert(0, str(Path(__file__).parent.parent))
