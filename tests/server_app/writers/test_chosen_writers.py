"""Which programs a run is told to, and that none of them can end it."""

import json
import sys
from functools import partial

import pytest

from server_app.journal import RoundLine
from server_app.run import Run
from server_app.writers import chosen
from strategies.common.errors import SettingsError
from tests.server_app.small_federation import player
from tests.server_app.writers import stand_ins


@pytest.fixture
def federation(tmp_path):
    return partial(player(tmp_path), num_clients=1, min_nodes=1)


def _steps(calls, name):
    return [options["step"] for _, args, options in calls.named(name) if "bytes/up" in args[0]]


def test_names_are_read_and_unknown_ones_refused_with_the_known():
    assert chosen.check("") == ()
    assert chosen.check(" tensorboard, tensorboard,") == ("tensorboard",)
    with pytest.raises(SettingsError) as caught:
        chosen.check("tensorboard,visdom")
    assert str(caught.value) == (
        "setting writers: unknown 'visdom'; the known ones are tensorboard, wandb, mlflow"
    )


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_library_is_refused_before_anything_starts(
    federation, monkeypatch, tmp_path, name
):
    # What these libraries leave behind where they run can be imported, and is no library.
    (tmp_path / "left" / name).mkdir(parents=True)
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "left")])
    fed = federation(writers=name)
    with pytest.raises(SettingsError, match=rf"{name} is not; install it with pip install '\.\["):
        fed.play()
    assert fed.grid.sent == []
    assert not fed.folder.exists()


@pytest.mark.federation
def test_a_run_that_is_gone_on_with_goes_on_there_and_no_round_is_told_twice(
    federation, monkeypatch
):
    wandb, run = stand_ins.wandb(monkeypatch)
    mlflow = stand_ins.mlflow(monkeypatch)
    fed = federation(writers="wandb,mlflow", rounds=3)
    kept = Run._complete

    def cut(self: Run, played, before) -> RoundLine:
        if played.record.round_number == 3:
            raise KeyboardInterrupt
        return kept(self, played, before)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "_complete", cut)
        with pytest.raises(KeyboardInterrupt):
            fed.play()
    folder = fed.run_folder
    assert json.loads((folder / chosen.FILE).read_text()) == {
        "wandb": ["w1", 2],
        "mlflow": ["m1", 2],
    }
    assert "writers" in (folder / "settings.toml").read_text()
    assert not (folder / "tensorboard").exists()
    # Round 2 is lost here and played again: the journal ends before it.
    first = (folder / "rounds.jsonl").read_text().splitlines(keepends=True)[0]
    (folder / "rounds.jsonl").write_text(first)
    federation(writers="wandb,mlflow,tensorboard", rounds=3, resume=True).play()
    assert (folder / "tensorboard").exists()
    assert [options["id"] for _, _, options in wandb.named("init")] == [None, "w1"]
    assert [options["run_id"] for _, _, options in mlflow.named("start_run")] == [None, "m1"]
    assert _steps(wandb, "log") == _steps(mlflow, "log_metrics") == [1, 2, 3]
    assert [options["exit_code"] for _, _, options in wandb.named("finish")] == [1, 0]
    assert [args for _, args, _ in mlflow.named("end_run")] == [("FAILED",), ("FINISHED",)]
    assert run.summary["final/accuracy"] == fed.lines()[-1]["accuracy"]


@pytest.mark.federation
def test_whatever_fails_there_is_told_once_and_the_run_goes_on(federation, monkeypatch, caplog):
    wandb, _ = stand_ins.wandb(monkeypatch)
    mlflow = stand_ins.mlflow(monkeypatch)
    wandb.broken = {"log", "finish"}
    mlflow.broken = {"start_run"}
    fed = federation(writers="wandb,mlflow")
    assert [line["round"] for line in fed.play()] == [1, 2]
    assert [r.getMessage() for r in caplog.records if "writers" in r.getMessage()] == [
        "writers: mlflow failed (ConnectionError: no way to start_run); the run goes on and tells "
        "it no more",
        "writers: wandb failed (ConnectionError: no way to log); the run goes on and tells it no "
        "more",
    ]
    assert [name for name, _, _ in wandb.made] == ["init", "log", "finish"]
    assert [name for name, _, _ in mlflow.made] == ["start_run"]


@pytest.mark.federation
def test_a_failing_tensorboard_ends_no_run(federation, monkeypatch, caplog):
    from torch.utils.tensorboard import SummaryWriter

    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(SummaryWriter, "add_hparams", full)
    assert len(federation(rounds=1).play()) == 1
    told = [r.getMessage() for r in caplog.records if "writers" in r.getMessage()]
    assert told == [
        "writers: tensorboard failed (OSError: disk full); the run goes on and tells it no more"
    ]
