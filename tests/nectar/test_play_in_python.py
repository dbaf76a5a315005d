"""Plays in this process: loopback's digits, what is left as it was, and what is there already."""

import bdb
import json
import logging
import random
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from federations.split_federation import TINY
from flwr.common.logger import FLOWER_LOGGER
from loopback import Federation, without_clocks
from torch import nn

import nectar
from nectar import NectarError, Run, play
from server_app.journal import write_round
from strategies.common.errors import RunFolderError, SettingsError
from tests.nectar.small_plays import CLIENTS, SMALL, prepared_in

pytestmark = pytest.mark.federation

ONE_ROUND = {**SMALL, "method": "local", "rounds": 1}


def global_state() -> Mapping[str, object]:
    return {
        "path": list(sys.path),
        "folder": Path.cwd(),
        "filters": list(warnings.filters),
        "signals": {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)},
        "handlers": [(log.handlers[:], log.propagate) for log in (logging.root, FLOWER_LOGGER)],
        "random": random.getstate(),
        "numpy": [str(part) for part in np.random.get_state()],
        "torch": torch.get_rng_state().tolist(),
        "torch's threads": torch.get_num_threads(),
        "deterministic": torch.backends.cudnn.deterministic,
        "threads": set(threading.enumerate()),
    }


def lines_of(run: Run) -> Any:
    return without_clocks([json.loads(write_round(line)) for line in run.rounds])


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, prepared_once: None) -> Run:
    folder = prepared_in(tmp_path_factory.mktemp("played"))
    return play(SMALL, clients=CLIENTS, workers=1, folder=folder, quiet=True)


def test_it_has_the_digits_of_loopback(played: Run, tmp_path: Path, prepared_once: None) -> None:
    (prepared_in(tmp_path) / ".nectar" / "state").rename(tmp_path / "state")
    # The run's name is told to clients, and counts among the bytes.
    federation = Federation(tmp_path, CLIENTS, {**SMALL, "run-name": "fedproto"})
    assert lines_of(played) == without_clocks(federation.play())


def test_it_returns_what_the_folder_tells(played: Run) -> None:
    assert played.folder.name == played.name == played.method == "fedproto"
    assert [line.round_number for line in played.rounds] == [1, 2]
    assert played.accuracy == played.rounds[-1].accuracy
    assert [client.model for client in played.clients.values()] == ["cnn", "resnet4", "cnn"]
    assert played.settings["max-samples"] == 40
    assert played.report == played.folder / "report.html"
    assert nectar.read(played.folder).rounds == played.rounds
    with pytest.raises(RunFolderError, match="expected a run's settings"):
        nectar.read(played.folder / "checkpoints")


def test_the_process_is_left_as_it_was(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = global_state()
    torch.set_num_threads(2)
    play(ONE_ROUND, clients=1, workers=1, folder=runs, quiet=True, min_replies=1)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(int(str(before["torch's threads"])))
    after = global_state()
    assert {
        what: (before[what], after[what]) for what in before if before[what] != after[what]
    } == {}
    assert capfd.readouterr() == ("", "")


def test_it_says_a_line_per_round(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    play(ONE_ROUND, clients=1, workers=1, folder=runs, name="told")
    said, wrong = capfd.readouterr()
    assert "round 1/1 · accuracy " in said
    assert str(runs / "told") in said
    assert wrong == ""


def test_a_run_that_is_there_is_neither_lost_nor_mixed(runs: Path) -> None:
    asked: dict[str, Any] = {"clients": 1, "workers": 1, "folder": runs, "quiet": True}
    first = play(ONE_ROUND, **asked)
    kept = {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()}
    with pytest.raises(RunFolderError, match=r"resume=True.*replace=True"):
        play(ONE_ROUND, **asked)
    assert {path: path.read_bytes() for path in kept} == kept
    longer = play({**ONE_ROUND, "rounds": 2}, resume=True, **asked)
    assert longer.rounds[0] == first.rounds[0]
    assert longer.rounds[1].answered[0].continued_from == 1
    with pytest.raises(RunFolderError, match=r"learning-rate was 0\.01 and is 0\.5"):
        play(ONE_ROUND, resume=True, learning_rate=0.5, **asked)
    anew = play(ONE_ROUND, replace=True, seed=1, **asked)
    assert len(anew.rounds) == 1
    # Whoever was asked before still has what was told then.
    assert lines_of(anew) != lines_of(first)
    assert len(longer.rounds) == 2
    states = sorted(path.name for path in (runs / ".nectar/state/local/0").glob("*1*"))
    assert states
    assert not list((runs / ".nectar/state/local/0").glob("*2*"))


def test_a_run_goes_back_to_an_earlier_round(runs: Path) -> None:
    asked: dict[str, Any] = {"workers": 1, "folder": runs, "quiet": True, "resume": True}
    two = {**ONE_ROUND, "rounds": 2}
    with pytest.raises(SettingsError, match=r"resume-from: expected .* found none in"):
        play(two, clients=1, resume_from=1, **asked)
    assert [path.name for path in runs.iterdir()] == [".nectar"]
    first = play(two, clients=1, **asked)
    again = play(two, clients=1, resume_from=1, **asked)
    assert (again.folder / "rounds.jsonl.before-resume-from-1").is_file()
    assert lines_of(again) == lines_of(first)
    with pytest.raises(SettingsError, match=r"expected clients=1 to go on with .*, got 2"):
        play(two, clients=2, **asked)


@pytest.mark.parametrize("asked", [{}, {"replace": True}, {"resume": True}])
def test_a_folder_that_is_no_run_is_left_alone(runs: Path, asked: dict[str, bool]) -> None:
    precious = runs / "thesis" / "rounds.jsonl"
    precious.parent.mkdir()
    precious.write_text("mine")
    with pytest.raises(RunFolderError, match="which is left alone"):
        play(ONE_ROUND, name="thesis", folder=runs, workers=1, quiet=True, **asked)
    assert precious.read_text() == "mine"


def test_an_attempt_that_completed_no_round_is_in_nobodys_way(runs: Path) -> None:
    asked: dict[str, Any] = {"clients": 1, "workers": 1, "folder": runs, "quiet": True}
    with pytest.raises(NectarError, match="no/such/folder"):
        play(ONE_ROUND, data="folder:/no/such/folder", **asked)
    assert len(play(ONE_ROUND, **asked).rounds) == 1


class Tiny(nn.Sequential):
    """Features of digits."""

    def __init__(self, inputs: nectar.Images, num_classes: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(inputs.height * inputs.width, 8), nn.ReLU())


def leave_the_debugger(inputs: nectar.Images, num_classes: int) -> nn.Module:
    raise bdb.BdbQuit


def no_network(inputs: nectar.Images, num_classes: int) -> nn.Module:
    raise ValueError("mended tomorrow")


def test_a_class_of_a_notebook_is_played_here_without_being_asked(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tiny, "__module__", "__main__")
    monkeypatch.setattr("__main__.Tiny", Tiny, raising=False)
    run = play(ONE_ROUND, clients=2, models=["cnn", Tiny], folder=runs, quiet=True)
    assert [client.model for client in run.clients.values()] == ["cnn", "Tiny"]
    assert run.settings["models"] == "cnn,__main__:Tiny"


def test_who_leaves_the_debugger_ends_the_run(runs: Path) -> None:
    asked: dict[str, Any] = {"clients": 1, "workers": 1, "folder": runs, "quiet": True}
    with pytest.raises(bdb.BdbQuit):
        play(ONE_ROUND, models=leave_the_debugger, **asked)


def test_a_client_that_raises_is_named(runs: Path) -> None:
    asked: dict[str, Any] = {"clients": 1, "workers": 1, "folder": runs, "quiet": True}
    with pytest.raises(NectarError, match="mended tomorrow"):
        play(ONE_ROUND, models=no_network, **asked)


def test_nodes_that_exchange_activations_are_at_work_at_once(runs: Path) -> None:
    before = set(threading.enumerate())
    settings = {**TINY, "method": "splitfed", "rounds": 1, "device": "cpu", "server-device": "cpu"}
    run = play(settings, clients=2, workers=1, folder=runs, quiet=True)
    assert run.accuracy is not None
    assert len(run.rounds[0].answered) == 2
    assert set(threading.enumerate()) == before
