"""Whole runs whose models start from given weights."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from models import catalogue, weights
from strategies.common import tensor_file
from strategies.common.errors import FederationError, SettingsError
from strategies.common.inputs import Images
from strategies.common.task import Task
from tests.server_app.small_federation import player

pytestmark = pytest.mark.federation


def test_clients_start_from_a_file_and_go_on_from_their_own_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = catalogue.build("cnn", Task(10, Images(1, 8, 8), 16), 16, seed=99)
    file = tmp_path / "cnn.safetensors"
    safetensors.torch.save_file(given.state_dict(), file)
    read: list[Path] = []
    load = weights._read

    def counted(path: Path) -> Mapping[str, Tensor]:
        read.append(path)
        return load(path)

    monkeypatch.setattr(weights, "_read", counted)
    fed = player(tmp_path)(weights=str(file), learning_rate=1e-9)
    fed.play()
    # Each of two clients reads it when it describes itself and in round 1, and not in round 2.
    assert read == [file] * 4
    clients = (fed.run_folder / "clients.json").read_text()
    assert clients.count("cnn starts from cnn.safetensors") == 2
    kept = tensor_file.of_round(fed.folder / "state" / "test" / "0", 2)
    head = tensor_file.read(kept)[0]["model/head.weight"]
    torch.testing.assert_close(head, given.head.weight.detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("method", ["splitfed", "fedadapter"])
def test_methods_without_models_of_the_clients_own_refuse_weights(
    tmp_path: Path, method: str
) -> None:
    with pytest.raises(SettingsError, match=f"weights: expected '' for {method}, got 'a.pt'"):
        player(tmp_path)(method=method, weights="a.pt").play()


def test_a_file_that_fits_nobody_is_every_clients_failure(tmp_path: Path) -> None:
    torch.save({"body.x": torch.zeros(1)}, tmp_path / "x.pt")
    with pytest.raises(FederationError, match="found it to differ in body"):
        player(tmp_path)(weights=str(tmp_path / "x.pt"), quorum_timeout_s=0.5).play()
