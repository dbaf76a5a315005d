"""Settings as Python writes them, and what is refused before anything is started."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from nectar import NectarError, play
from nectar.model_names import of_main, written
from nectar.settings import gather
from strategies.common.errors import ModelError, RunFolderError, SettingsError


def Net(inputs: Any, num_classes: int) -> nn.Module:  # noqa: N802
    return nn.Flatten()


def test_a_setting_has_many_spellings() -> None:
    expected = {"learning-rate": 0.1, "fedproto.proto-weight": 2.0}
    assert gather({"learning-rate": 0.1, "fedproto.proto-weight": 2.0}) == expected
    assert gather({"learning_rate": 0.1, "fedproto__proto_weight": 2.0}) == expected
    assert gather({"learning_rate": 0.1}, {"fedproto": {"proto_weight": 2.0}}) == expected


def test_what_is_said_by_name_counts_before_a_mapping() -> None:
    assert gather({"rounds": 5, "seed": 1}, {"rounds": 1}) == {"rounds": 1, "seed": 1}


def test_values_of_numpy_and_paths_become_plain() -> None:
    given = gather({"seed": np.int64(3), "momentum": np.float32(0.5), "data": Path("a")})
    assert given == {"seed": 3, "momentum": 0.5, "data": "a"}
    assert type(given["seed"]) is int


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"learning_rte": 0.1}, "did you mean learning-rate or "),
        ({"proto_weight": 1.0}, "did you mean fedproto.proto-weight?"),
        ({"zzz": 1}, "unknown setting zzz: All stand"),
        ({"run_name": "a"}, "setting run-name: play decides it; use name="),
        ({"runs-dir": "a"}, "use folder="),
        ({"state_dir": "a"}, "use folder="),
        ({"min-nodes": 1}, "use clients="),
        ({"resume": True}, "resume=True"),
        ({"clients": 3}, r"as play\(clients=...\)"),
        ({"gpus_per_client": 1.0}, r"as play\(gpus_per_client=...\)"),
        ({"learning-rate": 0.1, "learning_rate": 0.1}, "learning-rate: expected it once"),
        ({"rounds": [1, 2]}, r"rounds: expected a number, a text, True or False, got \[1, 2\]"),
        ({"models": 3}, "models: expected names or classes, got 3"),
    ],
)
def test_a_wrong_name_is_told_with_the_right_one(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        gather(settings)


@pytest.mark.parametrize(
    ("asked", "kind", "told"),
    [
        ({"rounds": 0}, SettingsError, "setting rounds"),
        ({"method": "fedprot"}, SettingsError, "fedprot"),
        ({"method": "fd", "fd": {"distillation_weight": -1.0}}, SettingsError, "distillation"),
        ({"method": "fd", "fedproto__proto_weight": -1.0}, SettingsError, "proto-weight"),
        ({"method": "fd", "oriented__seed": -1}, SettingsError, "oriented.seed"),
        ({"method": "splitfed", "momentum": 0.5}, SettingsError, "in the table splitfed"),
        ({"models": "no-such-model"}, SettingsError, "no-such-model"),
        ({"models": "nofile.py:Net"}, ModelError, "expected a file"),
        ({"data": "digit"}, SettingsError, "unknown source"),
        ({"generator": "orient"}, SettingsError, "orient"),
        ({"clients": 0}, SettingsError, "clients to be a number from 1, got 0"),
        ({"clients": 2, "min_replies": 3}, SettingsError, "at most 2 with clients=2, got 3"),
        ({"workers": 0}, SettingsError, "workers to be a number from 1 or 'auto', got 0"),
        ({"workers": "all"}, SettingsError, "got 'all'"),
        ({"gpus_per_client": 100.0}, SettingsError, "GPUs"),
        ({"name": "a/b"}, SettingsError, "run-name"),
        ({"compare_with": "other"}, RunFolderError, "no run to compare with"),
        ({"replace": True, "resume": True}, RunFolderError, "got both"),
    ],
)
def test_nothing_is_started_or_written_for_bad_settings(
    asked: dict[str, Any], kind: type[NectarError], told: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=told):
        play(**{"method": "local", "folder": tmp_path, **asked})
    assert list(tmp_path.iterdir()) == []


def test_a_class_is_named_so_that_other_processes_find_it() -> None:
    assert written(["cnn", Net]) == f"cnn,{Path(__file__).resolve()}:Net"
    assert written(Net) == f"{Path(__file__).resolve()}:Net"
    assert written(nn.Flatten) == "torch.nn.modules.flatten:Flatten"
    assert of_main("cnn, __main__:Net") == ["__main__:Net"]


def test_a_class_that_cannot_be_found_by_its_name_is_refused() -> None:
    def net(inputs: Any, num_classes: int) -> nn.Module:
        return nn.Flatten()

    with pytest.raises(SettingsError, match="at the top of a file or notebook"):
        written([net])
    net.__qualname__ = "Net"
    with pytest.raises(SettingsError, match="run the cell or file that defines it again"):
        written([net])


def test_a_class_of_the_program_is_not_sent_to_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("__main__.Net", Net, raising=False)
    with pytest.raises(SettingsError, match="expected workers=1, got 2"):
        play(method="local", models="__main__:Net", workers=2, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
