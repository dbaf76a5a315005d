"""Whether methods give the same numbers deployed as simulated, on a node for each client.

``simulate``'s engine, then a SuperLink with a SuperNode for each client, started as ``deploy``
starts them; the journals may differ in clocks and bytes of headers alone. Exits with 1 if one does.

Run with ``python -m benchmarks.deployed_methods [METHOD ...]``.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.containers.journals import Line, difference
from benchmarks.federations_of_all_methods import FEDERATIONS
from local_federation.campaign import Campaign, Carrier
from local_federation.host import Settings

_METHODS: Final = ("fedavg", "fd", "fd, faug", "dsfl", "fedmd", "feddf", "fedgen, heads")
_HERE: Final[Settings] = {"device": "cpu", "server-device": "cpu"}


def main() -> int:
    """Compare every federation, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "federations", nargs="*", metavar="METHOD", help=f"of {', '.join(FEDERATIONS)}"
    )
    chosen = parser.parse_args().federations or _METHODS
    if unknown := set(chosen) - set(FEDERATIONS):
        parser.error(f"expected names of {', '.join(FEDERATIONS)}, got {', '.join(unknown)}")
    console, good = Console(highlight=False, soft_wrap=True), True
    for name in chosen:
        settings = dict(FEDERATIONS[name])
        nodes = settings.pop("nodes")
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as place:
            simulated, deployed = (
                _played(Path(place) / carrier, nodes, settings, carrier)
                for carrier in ("engine", "nodes")
            )
        differs = difference(simulated, deployed)
        good &= differs is None
        told = differs or f"{len(simulated)} rounds, equal to the last digit"
        console.print(f"{name}: {told} ({time.monotonic() - started:.0f} s)")
    return 0 if good else 1


def _played(folder: Path, nodes: int, settings: Settings, carrier: Carrier) -> list[Line]:
    folder.mkdir()
    Campaign(folder, nodes, carrier, {}).play({"run": {**settings, **_HERE}}, Console(quiet=True))
    return [json.loads(line) for line in (folder / "run" / "rounds.jsonl").read_text().splitlines()]


if __name__ == "__main__":
    sys.exit(main())
