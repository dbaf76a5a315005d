"""How soon an app is ready to compute: from a warm worker, and as Flower starts it.

One SuperLink and two SuperNodes with their SuperExecs on 127.0.0.1; apps of one come from a
warm worker, those of the other start by themselves. The server asks them in turn, one message
at a time. Counted is from SuperExec's start of ``flwr-clientapp`` until the client's code has
torch, torchvision and an optimiser in its hands. Then the idle memory of the warm device's
processes (proportional set size, in which shared pages count in parts), before and after more
messages to it alone.

Run with ``python -m benchmarks.warm_start [--starts 20] [--messages 500]``.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.stamped_superexec import STAMPS
from local_federation.descendants import descendants
from local_federation.host import LocalFederationError
from local_federation.nodes import SuperNode
from local_federation.superlink import SuperLink

_APP = Path(__file__).parent / "start_app"
_HERE = Path(__file__).parent
# SuperNodes that look for messages twice a second: the time between messages counts nowhere.
_EAGER = _HERE.parent / "tests" / "deployed" / "eager_supernode.py"
_STAND_INS = {
    "flower-superexec": ["python", str(_HERE / "stamped_superexec.py")],
    "flower-supernode": ["python", str(_EAGER)],
}
_WARM, _COLD = 0, 1
_LIMIT_S = 3000.0
_REST_S = 3.0
_MIB = 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--messages", type=int, default=0, help="more messages to the warm node")
    arguments = parser.parse_args()
    console = Console()
    console.print(f"load of this machine at the start: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        superlink = SuperLink(folder, simulation=False, stand_ins=_STAND_INS)
        superlink.env[STAMPS] = str(folder / "stamps")
        nodes = [SuperNode(superlink, p, 2, warm=p == _WARM) for p in (_WARM, _COLD)]
        try:
            superlink.start()
            for node in nodes:
                node.start()
            told = ask(superlink, "starts", arguments.starts, (_WARM, _COLD))
            report_starts(console, told)
            report_memory(console, superlink, nodes[_WARM], arguments.messages)
        finally:
            for node in nodes:
                node.stop()
            superlink.stop()
    console.print(f"load of this machine at the end: {os.getloadavg()[0]:.1f}")


def ask(
    superlink: SuperLink, name: str, messages: int, partitions: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Have nodes asked in turn; return what they told, with the seconds that each start took."""
    stamps, place = superlink.folder / "stamps", superlink.folder / f"{name}.json"
    stamps.write_text("")
    asked = ",".join(str(partition) for partition in partitions)
    overrides = f'messages={messages} partitions="{asked}" told="{place}"'
    command = ["flwr", "run", str(_APP), "here", "--stream", "--run-config", overrides]
    run = superlink.child(f"run-{name}", command)
    run.wait(_LIMIT_S)
    run.stop()
    if not place.exists():
        raise LocalFederationError(f"the app failed:\n{run.tail(30)}")
    told: list[dict[str, Any]] = json.loads(place.read_text())
    started = [int(line) for line in stamps.read_text().split()]
    if len(started) != 2 + len(told):
        raise LocalFederationError(f"expected {2 + len(told)} starts, found {len(started)}")
    # The first message to each of the two nodes is none of those that count.
    for one, start in zip(told, started[2:], strict=True):
        one["seconds"] = (one["ready"] - start) / 1e9
    return told


def report_starts(console: Console, told: list[dict[str, Any]]) -> None:
    """Print medians of both nodes and their ratio."""
    medians = {}
    for name, partition in (("warm", _WARM), ("cold", _COLD)):
        own = [one for one in told if one["partition"] == partition]
        seconds = sorted(one["seconds"] for one in own)
        medians[name] = statistics.median(seconds)
        found = sum(bool(one["found"]) for one in own)
        console.print(
            f"{name}: median {medians[name]:.3f} s of {len(seconds)} starts ({seconds[0]:.3f} to "
            f"{seconds[-1]:.3f}); {found} of them found torch in memory"
        )
    console.print(f"ratio of medians, warm to cold: {medians['warm'] / medians['cold']:.3f}")


def report_memory(console: Console, superlink: SuperLink, node: SuperNode, messages: int) -> None:
    """Print what the warm device takes while it is idle, and how that grows."""
    if sys.platform != "linux":
        console.print("idle memory can be read on Linux alone")
        return
    before = idle_bytes(node)
    console.print(f"idle memory of the warm device: {_in_words(before)}")
    if messages:
        ask(superlink, "more", messages, (_WARM,))
        after = idle_bytes(node)
        growth = sum(after.values()) / sum(before.values()) - 1
        console.print(
            f"after {messages} more messages: {_in_words(after)}; growth {100 * growth:+.1f} %"
        )


def idle_bytes(node: SuperNode) -> dict[str, int]:
    """Return the proportional set sizes of a device's processes, once no app is left."""
    deadline = time.monotonic() + 60
    while apps := _apps(node):
        if time.monotonic() > deadline:
            raise LocalFederationError(f"apps go on: {apps}")
        time.sleep(0.1)
    time.sleep(_REST_S)
    supernode, worker = node.pids
    names = {supernode: "SuperNode", worker: "warm worker"}
    for pid in descendants(worker):
        own = "stamped_superexec" in Path(f"/proc/{pid}/cmdline").read_text().split("\0", 2)[1]
        names[pid] = "SuperExec" if own else "warm server"
    return {name: _pss(pid) for pid, name in names.items()}


def _apps(node: SuperNode) -> list[int]:
    return [
        pid for one in node.pids for pid, name in descendants(one).items() if "clientapp" in name
    ]


def _pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _in_words(sizes: dict[str, int]) -> str:
    parts = ", ".join(f"{name} {size / _MIB:.0f}" for name, size in sizes.items())
    return f"{sum(sizes.values()) / _MIB:.0f} MiB ({parts})"


if __name__ == "__main__":
    main()
