"""A real federation on loopback: one SuperLink, SuperNodes and runs that are watched."""

import io
import json
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final
from unittest.mock import patch

import pytest

from client_app.data import prepared
from local_federation.nodes import SuperNode
from local_federation.processes import Child
from local_federation.superlink import SuperLink
from strategies.common.run_config import default_config, read_run

NODES = 3

# Tests that wait a deadline out use the shortest in which healthy nodes answer: a few times
# the start of a command of Flower's, which is quick where nothing else is going on.
LEAST_DEADLINE_S = 8.0
STARTS_PER_DEADLINE = 4

# They do what Flower's programs do, in a fraction of the time.
STAND_INS = {
    "flower-supernode": ["python", str(Path(__file__).with_name("eager_supernode.py"))],
}

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
    "quorum-timeout-s": 240.0,
}


@final
class Deployment:
    """A SuperLink with SuperNodes that plays one run after another.

    Attributes
    ----------
    superlink : SuperLink
        The server; a test may kill and start it.
    nodes : list[SuperNode]
        The devices by partition; a test may stop and start them.
    run_name : str
        Name of the runs of the test that is going on.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.superlink = SuperLink(folder, simulation=False, stand_ins=STAND_INS)
        self.nodes = [SuperNode(self.superlink, i, NODES) for i in range(NODES)]
        self.run_name = ""
        self._runs: list[Child] = []
        # Nodes that were killed: Flower takes them to be online for another minute, in which
        # a new run would wait for their answers.
        self._ghosts: list[str] = []

    @property
    def run_dir(self) -> Path:
        return self.folder / "runs" / self.run_name

    def begin(self, run_name: str) -> None:
        """Be whole again, whatever the last test did, and know the next run's name."""
        self.run_name, self._runs = run_name, []
        if not self.superlink.running():
            self.forget()
            self.superlink.start()
        for ghost in self._ghosts:
            self._flwr("supernode", "unregister", ghost)
        self._ghosts = []
        for node in self.nodes:
            if not node.running():
                node.stop()
                node.start()
        self.wait_for(lambda: self._online() == NODES, f"{NODES} nodes to be online")

    def measured_deadline_s(self) -> float:
        """How long a round may wait for nodes: as short as this machine, busy as it is, allows."""
        started = time.monotonic()
        flwr = str(Path(sys.executable).parent / "flwr")
        subprocess.run([flwr, "--version"], env=self.superlink.env, check=True, timeout=60)
        return max(LEAST_DEADLINE_S, STARTS_PER_DEADLINE * (time.monotonic() - started))

    def forget(self) -> None:
        """Stop everything; the next start knows of no run and no node from before."""
        for run in self._runs:
            run.stop()
        for node in self.nodes:
            node.stop()
        self.superlink.stop()
        self._ghosts = []
        for file in self.folder.glob("superlink.db*"):
            file.unlink()

    def kill(self, partition: int) -> None:
        """Kill a node's processes at once (SIGKILL), as pulling the plug would."""
        self.nodes[partition].kill()
        log = (self.folder / "logs" / f"node-{partition}.log").read_text(errors="replace")
        self._ghosts.append(re.findall(r"SuperNode ID: (\d+)", log)[-1])

    def submit(self, **overrides: bool | int | float | str) -> Child:
        kebab = {key.replace("_", "-"): value for key, value in overrides.items()}
        settings = {
            **TINY,
            "run-name": self.run_name,
            "runs-dir": str(self.run_dir.parent),
            "state-dir": str(self.folder / "unused"),
            "min-nodes": NODES,
            **kebab,
        }
        self._prepare_digits(settings)
        run = self.superlink.submit(settings, simulation=None)
        self._runs.append(run)
        return run

    def _prepare_digits(self, settings: dict[str, bool | int | float | str]) -> None:
        """Prepare what nodes would each import half a dozen libraries for."""
        config = {**default_config(), **settings}
        if config["data"] != "digits":
            return
        run, carried = read_run(config), int(config["clients-per-node"])
        for partition in range(NODES):
            folder = self.folder / "state" / f"node-{partition}" / "prepared"
            for client in range(partition * carried, (partition + 1) * carried):
                prepared.load(run, "digits", client, NODES * carried, folder)

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
        return self.folder / "state" / f"node-{partition}" / self.run_name / str(partition)

    def wait_for(self, condition: Callable[[], bool], what: str, timeout_s: float = 150) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}; {self.logs()}"
            time.sleep(0.01)

    def finish(self, run: Child, timeout_s: float = 240) -> str:
        """Wait for the end of a run and return Flower's word for it."""
        assert run.wait(timeout_s) is not None, f"the run goes on and on; {self.logs()}"
        run_id = self.superlink.run_id(run)
        assert run_id is not None, self.logs()
        return str(self._flwr("list", "here", "--run-id", run_id)["runs"][0]["status"])

    def logs(self) -> str:
        log = self.folder / "logs" / f"run-{self.run_name}.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else "it has no log yet"

    def _online(self) -> int:
        nodes = self._flwr("supernode", "list")["nodes"]
        return sum(node["status"] == "online" for node in nodes)

    def _flwr(self, *command: str) -> dict[str, Any]:
        """Call Flower's command line in this process: starting it takes seconds."""
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            # Flower's own, of the libraries that it builds its command line with.
            from flwr.cli.app import app
            from typer.testing import CliRunner

            # It writes past what a runner redirects.
            with patch.object(sys, "__stdout__", io.StringIO()) as written:
                words = [*command, "--format", "json"]
                told = CliRunner().invoke(app, words, env=self.superlink.env)
        assert told.exit_code == 0, told.output
        return json.loads(written.getvalue())


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployed = Deployment(tmp_path_factory.mktemp("deployment"))
    try:
        yield deployed
    finally:
        deployed.forget()


@pytest.fixture
def deployment(_shared: Deployment, request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """Return the deployment that all tests share, whole and without a run."""
    failed_before = request.session.testsfailed
    _shared.begin(re.sub(r"\W+", "-", request.node.name)[:60])
    yield _shared
    if request.session.testsfailed > failed_before:
        # Its run may go on, and its nodes may be half started.
        _shared.forget()
