"""Warm servers that die beside real messages of Flower's."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from deployed.conftest import Deployment

pytestmark = [pytest.mark.deployed, pytest.mark.timeout(300)]

# CPU seconds after which an app has its message and learns: it takes a fraction to begin.
_AT_WORK_S = 0.5


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


def app_of(server: int) -> int | None:
    """Return the process that works on a message, where there is one that has long begun."""
    for child in Path(f"/proc/{server}/task/{server}/children").read_text().split():
        with suppress(OSError):
            spent = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            if int(spent[11]) > _AT_WORK_S * os.sysconf("SC_CLK_TCK"):
                return int(child)
    return None


def test_an_app_that_is_stopped_leaves_its_node_at_work(deployment: Deployment) -> None:
    run = deployment.submit(rounds=3, local_epochs=400, min_replies=2)
    deployment.wait_for(lambda: deployment.phase() == (2, "training"), "training in round 2")
    server = warm_server(deployment.nodes[0].pids[1])
    found: list[int] = []

    def at_work() -> bool:
        found[:] = filter(None, [app_of(server)])
        return bool(found)

    deployment.wait_for(at_work, "an app at work")
    # As it happens to whoever works for a SuperExec that is gone.
    os.kill(found[0], signal.SIGINT)

    assert deployment.finish(run) == "finished:completed", deployment.logs()
    lines = deployment.lines()
    assert [line["round"] for line in lines] == [1, 2, 3]
    assert "died or was stopped" in lines[1]["nodes"]["0"]["failure"]
    # Long before anybody took the app for dead, whose silence Flower bears for a minute.
    assert lines[1]["seconds"]["total"] < lines[0]["seconds"]["total"] + 45
    assert "accuracy" in lines[2]["nodes"]["0"], deployment.logs()
