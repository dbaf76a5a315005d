"""A real federation on loopback: one SuperLink, SuperNodes and runs that are watched."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final

import pytest

from local_federation.nodes import SuperNode
from local_federation.processes import Child
from local_federation.superlink import SuperLink

# Little work per round: these tests are about processes, not about learning.
TINY: dict[str, bool | int | float | str] = {
    "method": "fedktl",
    "models": "cnn,resnet4",
    "data": "digits",
    "max-samples": 60,
    "device": "cpu",
    "server-device": "cpu",
    "fedktl.server-epochs": 5,
    "oriented.image-size": 16,
    "round-deadline-s": 120.0,
    "quorum-timeout-s": 90.0,
}


@final
class Deployment:
    """A SuperLink with SuperNodes, and what a run on it has written so far."""

    def __init__(self, folder: Path, num_nodes: int) -> None:
        self.folder = folder
        self.superlink = SuperLink(folder, simulation=False)
        self.nodes = [SuperNode(self.superlink, i, num_nodes) for i in range(num_nodes)]
        self.run_dir = folder / "runs" / "run"

    def start(self) -> None:
        self.superlink.start()
        for node in self.nodes:
            node.start()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()
        self.superlink.stop()

    def submit(self, **overrides: bool | int | float | str) -> Child:
        kebab = {key.replace("_", "-"): value for key, value in overrides.items()}
        settings = {
            **TINY,
            "run-name": self.run_dir.name,
            "runs-dir": str(self.run_dir.parent),
            "state-dir": str(self.folder / "unused"),
            "min-nodes": len(self.nodes),
            **kebab,
        }
        return self.superlink.submit(settings, simulation=None)

    def lines(self) -> list[dict[str, Any]]:
        journal = self.run_dir / "rounds.jsonl"
        if not journal.exists():
            return []
        complete = journal.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in complete.splitlines()]

    def phase(self) -> tuple[int, str]:
        try:
            progress = json.loads((self.run_dir / "progress.json").read_text())
        except (OSError, ValueError):
            return 0, ""
        return int(progress["round"]), str(progress["phase"])

    def state_folder(self, partition: int) -> Path:
        return self.folder / "state" / f"node-{partition}" / self.run_dir.name / str(partition)

    def wait_for(self, condition: Callable[[], bool], what: str, timeout_s: float = 150) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}; {self.logs()}"
            time.sleep(0.01)

    def finish(self, run: Child, timeout_s: float = 240) -> str:
        """Wait for the end of a run and return Flower's word for it."""
        assert run.wait(timeout_s) is not None, f"the run goes on and on; {self.logs()}"
        return self.superlink.status(run)

    def logs(self) -> str:
        logs = sorted((self.folder / "logs").glob("run-*.log"))
        return "\n".join(log.read_text(errors="replace")[-3000:] for log in logs)


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    deployed = Deployment(tmp_path, num_nodes=3)
    deployed.start()
    try:
        yield deployed
    finally:
        deployed.stop()
