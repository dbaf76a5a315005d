"""What Weights & Biases and MLflow are called with."""

from pathlib import Path

from server_app.writers.mlflow import MLflow
from server_app.writers.round_writer import Summary, scalars
from server_app.writers.weights_and_biases import WeightsAndBiases
from strategies.common.run_config import RunConfig
from tests.server_app.run_folders import line_of, round_of
from tests.server_app.writers import stand_ins

SETTINGS: RunConfig = {"method": "fedktl", "seed": 3, "fedktl.margin": 0.5}
PICTURES = {"class-0": Path("/runs/here/images/round-000002/class-0.png")}
FINISHED = Summary(finished=True, rounds=2, accuracy=0.85)


def test_a_run_at_weights_and_biases(monkeypatch, tmp_path):
    calls, run = stand_ins.wandb(monkeypatch)
    writer = WeightsAndBiases(tmp_path / "here")
    writer.begin(SETTINGS)
    assert writer.told_as == "w1"
    line = line_of(round_of(2, (0.6, 0.8)))
    writer.round(line, PICTURES)
    writer.end(FINISHED)
    init, log, finish = calls.made
    assert init[2] == {
        "name": "here",
        "id": None,
        "resume": None,
        "dir": str(tmp_path / "here"),
        "config": {"method": "fedktl", "seed": 3, "fedktl": {"margin": 0.5}},
        "allow_val_change": False,
        "reinit": "create_new",
    }
    image = {"images/class-0": ("image", str(PICTURES["class-0"]))}
    assert log == ("log", ({**scalars(line), **image},), {"step": 2})
    assert run.summary == {"final/accuracy": 0.85}
    assert finish == ("finish", (), {"exit_code": 0})


def test_a_run_at_weights_and_biases_that_is_gone_on_with_and_fails(monkeypatch, tmp_path):
    calls, run = stand_ins.wandb(monkeypatch)
    writer = WeightsAndBiases(tmp_path, "w1")
    writer.begin(SETTINGS)
    writer.end(Summary(finished=False, rounds=0, accuracy=None))
    init, finish = calls.made
    assert (init[2]["id"], init[2]["resume"], init[2]["allow_val_change"]) == ("w1", "allow", True)
    assert run.summary == {}
    assert finish == ("finish", (), {"exit_code": 1})


def test_a_run_in_mlflow(monkeypatch, tmp_path):
    calls = stand_ins.mlflow(monkeypatch)
    writer = MLflow(tmp_path / "here")
    many = {f"table.key-{number}": "x" * 600 for number in range(101)}
    writer.begin({**SETTINGS, **many})
    assert writer.told_as == "m1"
    line = line_of(round_of(2, (0.6, 0.8), diagnostics={"gain (%)": 1.0}))
    writer.round(line, PICTURES)
    writer.end(FINISHED)
    start = {"run_id": None, "run_name": "here", "nested": True}
    assert calls.named("start_run") == [("start_run", (), start)]
    batches = [args[0] for _, args, _ in calls.named("log_params")]
    # No more than 100 at once, and no value above 500 characters.
    assert [len(batch) for batch in batches] == [100, 4]
    assert batches[0]["seed"] == "3"
    assert max(len(value) for batch in batches for value in batch.values()) == 500
    (_, (told,), options), last = calls.named("log_metrics")
    assert options == {"step": 2}
    # Parentheses and per cent signs are refused there.
    assert told.pop("diagnostics/gain ___") == 1.0
    assert told == {n: v for n, v in scalars(line).items() if not n.startswith("diagnostics")}
    assert last == ("log_metrics", ({"final/accuracy": 0.85},), {"step": 2})
    assert calls.named("log_artifact") == [
        ("log_artifact", (str(PICTURES["class-0"]),), {"artifact_path": "images/round-000002"})
    ]
    assert calls.made[-1] == ("end_run", ("FINISHED",), {})


def test_a_run_in_mlflow_that_is_gone_on_with_keeps_its_settings(monkeypatch, tmp_path):
    calls = stand_ins.mlflow(monkeypatch)
    writer = MLflow(tmp_path, "m1")
    writer.begin(SETTINGS)
    writer.end(Summary(finished=False, rounds=0, accuracy=None))
    start = {"run_id": "m1", "run_name": None, "nested": True}
    assert calls.made == [("start_run", (), start), ("end_run", ("FAILED",), {})]


def test_what_never_began_is_not_ended(monkeypatch, tmp_path):
    wandb, _ = stand_ins.wandb(monkeypatch)
    mlflow = stand_ins.mlflow(monkeypatch)
    for writer in (WeightsAndBiases(tmp_path), MLflow(tmp_path)):
        writer.end(FINISHED)
    assert wandb.made == mlflow.made == []
