"""Methods that exchange activations, when processes die: real ones, with SIGKILL."""

import pytest
from deployed.conftest import Deployment
from federations.split_federation import TINY
from loopback import Federation, without_clocks

pytestmark = [pytest.mark.deployed, pytest.mark.timeout(600)]

# Long enough a round to be killed in.
SPLIT = {
    **TINY,
    "method": "mocosfl",
    "rounds": 3,
    "evaluate-every": 2,
    "round-deadline-s": 120.0,
    "quorum-timeout-s": 240.0,
    "mocosfl.steps-per-round": 8,
    "split.step-deadline-s": 60.0,
    "split.connect-deadline-s": 30.0,
}


def submit(deployment: Deployment, **overrides: bool | int | float | str):
    settings = {
        **SPLIT,
        **{k.replace("__", ".").replace("_", "-"): v for k, v in overrides.items()},
    }
    return deployment.submit(**settings)


def test_a_node_killed_in_mid_step_is_passed_over_and_named(deployment: Deployment) -> None:
    # Steps of the living, on a machine that is busy, must be quicker than the dead one's wait.
    deadline_s = deployment.measured_deadline_s()
    run = submit(
        deployment,
        min_nodes=2,
        min_replies=2,
        split__step_deadline_s=deadline_s,
        split__connect_deadline_s=deadline_s,
    )
    deployment.wait_for(lambda: deployment.phase() == (2, "training step"), "steps of round 2")
    deployment.kill(2)
    deployment.wait_for(lambda: len(deployment.lines()) >= 2, "the end of round 2")
    deployment.nodes[2].start()

    assert deployment.finish(run) == "finished:completed", deployment.logs()
    lines = deployment.lines()
    assert [line["round"] for line in lines] == [1, 2, 3]
    # The steps that were left were played, and no round's deadline was waited for.
    ends = "every step was played", "stopped answering Flower's heartbeat"
    assert lines[1]["nodes"]["2"]["failure"].endswith(ends)
    assert set(lines[1]["nodes"]["2"]) == {"failure"}
    assert {"0", "1"} <= {k for k, v in lines[1]["nodes"].items() if "accuracy" in v}
    assert any("node 2 missed" in note for note in lines[1]["notes"])


def test_a_killed_server_resumes_at_the_last_synchronisation(deployment: Deployment) -> None:
    interrupted = submit(deployment)
    deployment.wait_for(lambda: deployment.phase() == (2, "training step"), "steps of round 2")
    deployment.superlink.kill()
    interrupted.kill()
    deployment.superlink.start()
    for node in deployment.nodes:
        node.stop()
        node.start()
    resumed = submit(deployment, resume=True)

    assert deployment.finish(resumed) == "finished:completed", deployment.logs()
    same = {**SPLIT, "run-name": deployment.run_dir.name}
    uninterrupted = Federation(deployment.folder / "loop", 3, same).play()
    assert without_clocks(deployment.lines()) == without_clocks(uninterrupted)
