"""Peak memory of the processes that a device runs, FedKTL on digits.

A SuperLink and one SuperNode run as in a deployment; the peaks are those that Linux keeps
for each process (``VmHWM``). The app's process lives for one message: its peak includes
Python, Flower, PyTorch, the model, its training and the private state on its way to disk.

Run with ``python -m benchmarks.device_memory [--model resnet10]``.
"""

import argparse
import tempfile
import time
from pathlib import Path

from rich.console import Console

from local_federation.nodes import SuperNode
from local_federation.superlink import SuperLink

_POLL_S = 0.01


def main() -> None:
    """Run a small federation and print the peak of each of the node's processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--method", default="fedktl")
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as temporary:
        superlink = SuperLink(Path(temporary), simulation=False)
        node = SuperNode(superlink, 0, 1)
        try:
            superlink.start()
            node.start()
            peaks = watch(superlink, node, arguments.method, arguments.model)
        finally:
            node.stop()
            superlink.stop()
    for name, megabytes in peaks.items():
        console.print(f"{name}: peak {megabytes:.0f} MB")


def watch(superlink: SuperLink, node: SuperNode, method: str, model: str) -> dict[str, float]:
    """Play two rounds and return the peak megabytes by process."""
    run = superlink.submit(
        {
            "method": method,
            "models": model,
            "data": "digits",
            "rounds": 2,
            "min-nodes": 1,
            "device": "cpu",
            "server-device": "cpu",
            "run-name": "memory",
            "runs-dir": str(superlink.folder / "runs"),
            "state-dir": str(superlink.folder / "state"),
        },
        simulation=None,
    )
    supernode, superexec = node.pids
    peaks: dict[str, float] = {}
    while run.running():
        sample = {"SuperNode": supernode, "SuperExec": superexec}
        for number, pid in enumerate(children(superexec)):
            sample[f"ClientApp ({method}, {model})" + ("" if number == 0 else " beside it")] = pid
        for name, pid in sample.items():
            peaks[name] = max(peaks.get(name, 0.0), peak_megabytes(pid))
        time.sleep(_POLL_S)
    run.stop()
    return peaks


def children(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listing.read_text().split()]


def peak_megabytes(pid: int) -> float:
    """Return the peak resident memory of a process; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1000
    return 0.0


if __name__ == "__main__":
    main()
