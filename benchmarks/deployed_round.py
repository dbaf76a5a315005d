"""Wall time of a deployed round with tiny work: Nectar against Flower's own loop.

One SuperLink and three SuperNodes of each, one after the other in one run: Nectar's with warm
workers, which send one message per node and round, and Flower's ``Strategy.start``, which sends
one to train and one to evaluate, with apps as Flower starts them. The baseline loads no data and
its SuperExecs look for work as often as ours, so that it is rather too fast than too slow.
``--both-warm`` gives the baseline warm workers too.

Run with ``python -m benchmarks.deployed_round``.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from local_federation.flower_host import FlowerRun
from local_federation.host import LocalFederationError
from local_federation.nodes import SuperNode, stop_nodes
from local_federation.superlink import SuperLink
from local_federation.watch import follow

_BASELINE = Path(__file__).parent / "flower_baseline"
_LIMIT_S = 600.0


def main() -> None:
    """Measure both and print the ratio of their medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--both-warm", action="store_true")
    arguments = parser.parse_args()
    console = Console()
    console.print(f"load of this machine at the start: {os.getloadavg()[0]:.1f}")
    nodes, rounds = arguments.nodes, arguments.rounds
    with deployed(nodes, warm=True) as superlink:
        ours = nectar_seconds(superlink, nodes, rounds, console)
    with deployed(nodes, warm=arguments.both_warm) as superlink:
        theirs = flower_seconds(superlink, nodes, rounds)
    report(console, ours, theirs)
    console.print(f"load of this machine at the end: {os.getloadavg()[0]:.1f}")


@contextmanager
def deployed(count: int, *, warm: bool) -> Iterator[SuperLink]:
    """Have a SuperLink with so many SuperNodes."""
    with tempfile.TemporaryDirectory() as temporary:
        superlink = SuperLink(Path(temporary), simulation=False, warm=warm)
        nodes = [SuperNode(superlink, i, count) for i in range(count)]
        try:
            superlink.start()
            for node in nodes:
                node.start()
            yield superlink
        finally:
            stop_nodes(nodes)
            superlink.stop()


def nectar_seconds(superlink: SuperLink, nodes: int, rounds: int, console: Console) -> list[float]:
    """Return the seconds of each Nectar round but the first."""
    settings: dict[str, bool | int | float | str] = {
        "method": "fd",
        "models": "cnn",
        "data": "digits",
        "max-samples": 60,
        "rounds": rounds,
        "min-nodes": nodes,
        "device": "cpu",
        "server-device": "cpu",
        "run-name": "nectar",
        "runs-dir": str(superlink.folder / "runs"),
        "state-dir": str(superlink.folder / "state"),
    }
    run = FlowerRun(superlink, superlink.submit(settings, simulation=None))
    follow(run, superlink.folder / "runs" / "nectar", console)
    lines = (superlink.folder / "runs" / "nectar" / "rounds.jsonl").read_text().splitlines()
    return [float(json.loads(line)["seconds"]["total"]) for line in lines][1:]


def flower_seconds(superlink: SuperLink, nodes: int, rounds: int) -> list[float]:
    """Return the seconds of each round of Flower's own loop but the first."""
    times = superlink.folder / "times.json"
    overrides = f'rounds={rounds} nodes={nodes} times="{times}"'
    command = ["flwr", "run", str(_BASELINE), "here", "--stream", "--run-config", overrides]
    run = superlink.child("run-baseline", command)
    started = time.monotonic()
    while run.wait(1.0) is None:
        if time.monotonic() - started > _LIMIT_S:
            break
    run.stop()
    if not times.exists():
        raise LocalFederationError(f"the baseline failed:\n{run.tail(30)}")
    return [float(seconds) for seconds in json.loads(times.read_text())][1:]


def report(console: Console, ours: list[float], theirs: list[float]) -> None:
    """Print both medians and their ratio."""
    for name, seconds in (("Nectar", ours), ("Flower's Strategy.start", theirs)):
        console.print(
            f"{name}: median {statistics.median(seconds):.2f} s of {len(seconds)} rounds "
            f"({min(seconds):.2f} to {max(seconds):.2f})"
        )
    ratio = statistics.median(ours) / statistics.median(theirs)
    console.print(f"ratio of medians: {ratio:.2f}")


if __name__ == "__main__":
    main()
