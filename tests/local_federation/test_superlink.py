"""What Flower is asked to play."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from local_federation.superlink import Simulation, SuperLink, environment


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Submit a simulation of four nodes, two at once, and return Flower's command lines."""
    commands: list[Sequence[str]] = []
    monkeypatch.setattr(SuperLink, "_stage", lambda _: tmp_path)
    monkeypatch.setattr(SuperLink, "child", lambda _, __, command: commands.append(command))
    return commands


def submit(folder: Path) -> None:
    superlink = SuperLink(folder, simulation=True)
    superlink.submit({"run-name": "test"}, simulation=Simulation(4, 2))


def test_ray_is_told_how_many_nodes_are_at_work_at_once(
    tmp_path: Path, asked: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    submit(tmp_path)
    assert asked[0][-1] == ("num-supernodes=4 client-resources-num-cpus=1 init-args-num-cpus=2")


def test_a_cluster_that_is_joined_is_left_as_it_is(
    tmp_path: Path, asked: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")
    submit(tmp_path)
    assert asked[0][-1] == "num-supernodes=4 client-resources-num-cpus=1"


def test_no_cluster_is_joined_that_was_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert environment(tmp_path)["RAY_ADDRESS"] == "local"
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")
    assert environment(tmp_path)["RAY_ADDRESS"] == "127.0.0.1:6379"
