"""Which settings make a task: every setting of a run is one way or the other."""

import pytest

from server_app.compare.standings import leader
from server_app.compare.task import CLIENTS, OPEN, TASK, of_task
from server_app.compare.words import limits
from strategies.common.presentation import Setting
from strategies.common.run_config import default_config

# How clients learn, how rounds are played, and what all of it is called: the test stays.
NO_TASK = {
    *("method", "generator", "augmentation", "seed", "rounds", "stop-after", "evaluate-every"),
    *("weights", "initial-weights", "feature-dim", "normalise"),
    *("local-epochs", "batch-size", "batches", "learning-rate", "optimiser", "momentum"),
    *("weight-decay", "schedule", "participation", "clients-per-node"),
    *("min-nodes", "min-replies", "quorum-timeout-s", "round-deadline-s", "max-report-bytes"),
    *("wire-dtype", "share-class-counts", "share-class-names"),
    *("device", "server-device", "client-threads", "server-threads"),
    *("run-name", "runs-dir", "state-dir", "compare-with", "writers", "resume", "resume-from"),
}


def test_every_setting_of_a_run_is_of_the_task_or_is_not() -> None:
    known = {key for key in default_config() if "." not in key}
    flat = {key for key in TASK | OPEN if "." not in key} - {CLIENTS}
    # Whoever adds a setting says here, or in task.py, whether accuracies stay comparable.
    assert flat | NO_TASK == known
    assert not flat & NO_TASK
    assert TASK - {CLIENTS} <= set(default_config())


@pytest.mark.parametrize("key", sorted(TASK - {CLIENTS, "adapters.backbone", "split.network"}))
def test_rows_of_two_tasks_are_not_ranked(runs, key):
    for seed in range(3):
        for value, level in (("easy", 0.9), ("hard", 0.4)):
            runs.add("local", seed, (level + seed / 100,), settings={key: value})
    rows = runs.rows()
    assert leader(rows) is None
    assert limits(rows) == [
        f"Rows that differ in {key} are of other tasks: their accuracies are not ranked, and none "
        f"is set in bold."
    ]


def test_open_data_are_of_the_task_where_they_are_kept_from_clients() -> None:
    apart: dict[str, Setting] = {"data": "digits", "open-data": "images:x", "open-samples": 100}
    kept: dict[str, Setting] = {**apart, "open-data": "digits"}
    assert of_task(["open-samples"], apart, {**apart, "open-samples": 200}) == []
    assert of_task(["open-samples"], kept, {**kept, "open-samples": 200}) == ["open-samples"]
    assert of_task(["open-data", "rounds"], apart, kept) == ["open-data"]
