"""How a run that fails says so at the end of its log."""

import sys
from pathlib import Path
from typing import Any

import pytest

from local_federation.engine import runs
from local_federation.engine.resources import Resources
from local_federation.watch import reason
from strategies.common.errors import FederationError

OF_A_CLIENT = "StoreError: state/0/round-000002.safetensors: cannot be written; free space"
OF_THE_RUN = (
    f"round 2: expected at least min-replies=1 good replies, got 0 after two tries: client 0 "
    f"(cnn): {OF_A_CLIENT}. The run is saved: start it again with run-name='a' and resume=true"
)


def test_what_ended_a_run_is_told_from_what_befell_its_clients(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def play(*_: Any) -> None:
        sys.stderr.write(f"{OF_A_CLIENT}\n")
        raise FederationError(OF_THE_RUN.replace("tries: ", "tries:\n"))

    monkeypatch.setattr(runs, "play", play)
    assert runs._play_one({"run-name": "a"}, 2, Resources()) == 1
    log = capfd.readouterr().err
    assert log.startswith(OF_A_CLIENT)
    # One line, with what the clients said and how the run goes on.
    assert reason(log) == OF_THE_RUN


def test_an_error_that_nobody_foresaw_is_told_with_its_kind(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def play(*_: Any) -> None:
        raise KeyError(str(tmp_path))

    monkeypatch.setattr(runs, "play", play)
    assert runs._play_one({"run-name": "a"}, 2, Resources()) == 1
    assert reason(capfd.readouterr().err) == f"KeyError: '{tmp_path}'"
