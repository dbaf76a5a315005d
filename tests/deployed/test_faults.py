"""What goes wrong on devices and hosts that nobody can walk to, with real processes.

All tests use one deployment, which is made whole before each of them.
"""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from deployed.conftest import TINY, Deployment
from loopback import Federation, without_clocks

pytestmark = [pytest.mark.deployed, pytest.mark.timeout(420)]


def test_a_node_killed_in_mid_round_costs_that_node_its_round_only(deployment: Deployment) -> None:
    run = deployment.submit(
        rounds=4, round_deadline_s=deployment.measured_deadline_s(), min_nodes=2, min_replies=2
    )
    deployment.wait_for(lambda: deployment.phase() == (2, "training"), "training in round 2")
    deployment.kill(2)
    # At once, so that it is back before the rounds that are left are over. What was asked of
    # it is lost all the same: it comes under another node id.
    deployment.nodes[2].start()

    assert deployment.finish(run) == "finished:completed", deployment.logs()
    lines = deployment.lines()
    assert [line["round"] for line in lines] == [1, 2, 3, 4]
    assert set(lines[1]["nodes"]["2"]) == {"failure"}
    assert {"0", "1"} <= {k for k, v in lines[1]["nodes"].items() if "accuracy" in v}
    # It goes on from the last round the server accepted.
    back = [line["nodes"]["2"] for line in lines[2:] if "accuracy" in line["nodes"].get("2", {})]
    assert back, deployment.logs()
    assert back[0]["continued_from"] == 1


def test_a_killed_server_resumes_to_the_same_end(deployment: Deployment) -> None:
    rounds = 3
    interrupted = deployment.submit(rounds=rounds)
    deployment.wait_for(lambda: deployment.phase() == (2, "training"), "training in round 2")
    deployment.superlink.kill()
    interrupted.kill()
    deployment.superlink.start()
    for node in deployment.nodes:
        # Nodes that ended with their SuperLink are started again, as a supervisor would.
        node.stop()
        node.start()
    resumed = deployment.submit(rounds=rounds, resume=True)

    assert deployment.finish(resumed) == "finished:completed", deployment.logs()
    # The run's name travels with every order, and its length is counted.
    same = {**TINY, "rounds": rounds, "run-name": deployment.run_dir.name}
    uninterrupted = Federation(deployment.folder / "loop", 3, same).play()
    assert without_clocks(deployment.lines()) == without_clocks(uninterrupted)


def test_a_lost_reply_is_rolled_back_and_no_round_is_trained_twice(deployment: Deployment) -> None:
    run = deployment.submit(
        rounds=4, round_deadline_s=deployment.measured_deadline_s(), min_nodes=2, min_replies=2
    )
    saved = deployment.state_folder(1) / "round-000002.safetensors"
    deployment.wait_for(saved.exists, "client 1 to save round 2")
    # The SuperNode hands replies on twice a second; it dies with this one in its hands.
    deployment.kill(1)
    deployment.nodes[1].start()

    assert deployment.finish(run) == "finished:completed", deployment.logs()
    lines = deployment.lines()
    assert set(lines[1]["nodes"]["1"]) == {"failure"}, "the reply got through before the kill"
    back = [line["nodes"]["1"] for line in lines[2:] if "accuracy" in line["nodes"].get("1", {})]
    assert back[0]["continued_from"] == 1
    assert "no usable state" not in " ".join(back[0]["notes"])


# What a SuperLink leaves that is killed while it hands a message to a node: one of round 2 is
# fetched, as far as it knows, and no node ever sees it.
LOSES_ONE = """
CREATE TABLE lost (message_id TEXT);
CREATE TRIGGER lose AFTER INSERT ON message_ins
WHEN NEW.message_type = 'train' AND NEW.group_id = '2' AND NOT EXISTS (SELECT 1 FROM lost)
BEGIN
  INSERT INTO lost VALUES (NEW.message_id);
  UPDATE message_ins SET delivered_at = datetime() WHERE message_id = NEW.message_id;
END;
"""


@contextmanager
def losing_one(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.executescript(LOSES_ONE)
        try:
            yield connection
        finally:
            connection.executescript("DROP TRIGGER lose; DROP TABLE lost;")


def test_what_was_lost_in_the_superlink_is_sent_again_and_no_number_differs(
    deployment: Deployment,
) -> None:
    with losing_one(deployment.folder / "superlink.db") as connection:
        # Whoever waits for the deadline is not done when this test has had enough.
        run = deployment.submit(rounds=2, round_deadline_s=3600.0)
        lost = "SELECT count(*) FROM lost"
        deployment.wait_for(lambda: connection.execute(lost).fetchone() == (1,), "the loss")
        # As long as a SuperLink takes that is started again.
        os.kill(deployment.superlink.pids[0], signal.SIGSTOP)
        time.sleep(5.0)
        os.kill(deployment.superlink.pids[0], signal.SIGCONT)
        assert deployment.finish(run) == "finished:completed", deployment.logs()
    first, second = without_clocks(deployment.lines())
    told = "what it was sent, or its reply, was lost on the way; sent again"
    (note,) = [note for note in second["notes"] if note.endswith(told)]
    second["notes"].remove(note)
    same = {**TINY, "rounds": 2, "run-name": deployment.run_dir.name, "round-deadline-s": 3600.0}
    whole = Federation(deployment.folder / "whole", 3, same).play()
    assert [first, second] == without_clocks(whole)


def test_a_damaged_state_is_named_and_the_round_before_is_used(deployment: Deployment) -> None:
    run = deployment.submit(rounds=3)
    deployment.wait_for(lambda: len(deployment.lines()) >= 2, "the end of round 2")
    newest = deployment.state_folder(0) / "round-000002.safetensors"
    damaged = bytearray(newest.read_bytes())
    damaged[-5] ^= 0xFF
    newest.write_bytes(damaged)

    assert deployment.finish(run) == "finished:completed", deployment.logs()
    node = deployment.lines()[2]["nodes"]["0"]
    assert node["continued_from"] == 1
    assert "round-000002.safetensors" in node["notes"][0]
    assert "damaged" in node["notes"][0]


def test_with_all_nodes_gone_the_run_waits_fails_loudly_and_is_saved(
    deployment: Deployment,
) -> None:
    # Before the first round, the same patience must do for nodes to describe themselves.
    deadline_s = deployment.measured_deadline_s()
    run = deployment.submit(rounds=50, quorum_timeout_s=3 * deadline_s, round_deadline_s=deadline_s)
    deployment.wait_for(lambda: len(deployment.lines()) >= 1, "the end of round 1")
    for node in deployment.nodes:
        node.stop()

    # One deadline for the round under way, one wait for nodes, and Flower's own leisure.
    status = deployment.finish(run, timeout_s=150)
    assert status.startswith("finished:failed"), status
    lines = deployment.lines()
    assert len(lines) < 10
    assert all(line["accuracy"] is not None for line in lines)
    assert "expected min-nodes=3 nodes" in deployment.logs()
    assert (deployment.run_dir / "report.html").exists()
    assert list((deployment.run_dir / "checkpoints").glob("*.safetensors"))
