"""Warm servers that die beside real messages of Flower's."""

import os
import signal
from pathlib import Path

import pytest
from deployed.conftest import Deployment

pytestmark = [pytest.mark.deployed, pytest.mark.timeout(300)]


def warm_server(worker: int) -> int:
    """Return the child of a warm worker that is a fork of it; the other is Flower's SuperExec."""
    processes = Path("/proc")
    words = (processes / str(worker) / "cmdline").read_text()
    children = (processes / str(worker) / "task" / str(worker) / "children").read_text().split()
    (server,) = [c for c in children if (processes / c / "cmdline").read_text() == words]
    return int(server)


def test_a_warm_server_killed_in_mid_message_costs_that_message_at_most(
    deployment: Deployment,
) -> None:
    run = deployment.submit(rounds=4)
    deployment.wait_for(lambda: deployment.phase() == (2, "training"), "training in round 2")
    workers = [node.pids[1] for node in deployment.nodes]
    killed = [warm_server(worker) for worker in workers]
    for server in killed:
        os.kill(server, signal.SIGKILL)

    assert deployment.finish(run) == "finished:completed", deployment.logs()
    lines = deployment.lines()
    assert [line["round"] for line in lines] == [1, 2, 3, 4]
    # An app that was at work has gone on; one that was about to be forked started by itself.
    for line in lines[2:]:
        assert all("accuracy" in node for node in line["nodes"].values()), deployment.logs()
    assert not set(killed) & {warm_server(worker) for worker in workers}
    for partition in range(len(workers)):
        log = (deployment.folder / "logs" / f"node-{partition}-superexec.log").read_text()
        assert "the warm server ended (-9); it is started again" in log
