"""A run's folder on the server, as an export takes it."""

from pathlib import Path

import pytest
import torch

from client_app.exporting import server_run
from server_app import run_settings
from server_app.checkpoints import Checkpoint, Checkpoints
from strategies.common import tensor_file
from strategies.common.errors import StoreError
from strategies.common.inputs import Images
from strategies.common.run_config import default_config
from strategies.common.task import Task

CONFIG = {**default_config(), "method": "splitfed"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a run after its second round."""
    found = Checkpoints(tmp_path / "checkpoints")
    for number in (1, 2):
        state = {"weight": torch.full((2,), float(number))}
        task = Task(3, Images(1, 8, 8), 16)
        found.save(Checkpoint(number, task, {0: number}, 0, 0.0, tensors=state))
    (tmp_path / "rounds.jsonl").write_text('{"round": 1}\n{"round": 2}\n')
    (tmp_path / "settings.toml").write_text(run_settings.write(CONFIG, {}))
    return tmp_path


def test_the_last_round_of_the_journal_is_taken(folder: Path) -> None:
    found = server_run.read(folder, CONFIG)
    assert (found.round_number, found.accepted) == (2, {0: 2})
    assert found.tensors["weight"].tolist() == [2.0, 2.0]


def test_the_state_of_another_round_under_this_ones_name_is_refused(folder: Path) -> None:
    first, last = (tensor_file.of_round(folder / "checkpoints", number) for number in (1, 2))
    first.replace(last)
    with pytest.raises(StoreError, match="expected the state of this round, got that of 1"):
        server_run.read(folder, CONFIG)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"models": "resnet8"}, "models is '.*' there and 'resnet8' in the client's state"),
        ({"learning-rate": 0.5}, "learning-rate is .* there and 0.5 in the client's state"),
        ({"dirichlet-alpha": 7.0}, "dirichlet-alpha is .* there and 7.0 in the client's state"),
        ({"splitfed.server-learning-rate": 0.5}, "splitfed.server-learning-rate is .* and 0.5"),
    ],
)
def test_a_run_that_would_have_made_another_model_is_refused(
    folder: Path, changes: dict[str, bool | int | float | str], told: str
) -> None:
    with pytest.raises(StoreError, match=f"got another: {told}"):
        server_run.read(folder, {**CONFIG, **changes})


def test_what_changes_no_result_or_is_the_devices_own_may_differ(folder: Path) -> None:
    own = {"rounds": 99, "state-dir": "/srv", "label-column": "y", "share-class-names": False}
    assert server_run.read(folder, {**CONFIG, **own}).round_number == 2


def test_a_run_of_another_name_is_refused_and_a_copy_of_this_one_is_not(folder: Path) -> None:
    settings = run_settings.write({**CONFIG, "run-name": "first"}, {})
    (folder / "settings.toml").write_text(settings)
    for name in ("first", folder.name, ""):
        assert server_run.read(folder, CONFIG, name).round_number == 2
    with pytest.raises(StoreError, match="the run is first there and second in the client's state"):
        server_run.read(folder, CONFIG, "second")
