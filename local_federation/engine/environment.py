"""What an engine finds in its environment."""

import os
from collections.abc import Mapping


def own_environment() -> Mapping[str, str]:
    """Return what must stand in the environment before an engine imports anything."""
    return {
        # Clients share the cores: torch's own threads are what settings ask for.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        # The engine forks, so it must have no threads; importing pyarrow would start one.
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
    }
