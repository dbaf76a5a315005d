"""What a local federation refuses before it starts anything."""

import fcntl
import os
from pathlib import Path

import pytest
from rich.console import Console

from local_federation.campaign import Campaign
from local_federation.host import LocalFederationError
from strategies.common.errors import RunFolderError, SettingsError


def test_more_nodes_than_run_at_once_are_refused_with_the_numbers(tmp_path: Path) -> None:
    cores = os.cpu_count() or 1
    nodes = cores + 5
    campaign = Campaign(tmp_path, nodes, "ray", {"method": "mocosfl"})
    with pytest.raises(LocalFederationError) as refusal:
        campaign.play({"pool": {}}, Console(quiet=True))
    told = str(refusal.value)
    assert f"all {nodes} nodes at work at once" in told
    assert f"{cores} workers runs {cores + 4}" in told
    assert "--engine ray" in told
    each = -(-nodes // cores)
    assert f"--clients {cores}" in told
    assert f"clients-per-node={each}" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../precious", ".", "a/b", "/tmp/precious"])
def test_names_that_are_places_are_refused_and_nothing_is_removed(
    tmp_path: Path, name: str
) -> None:
    precious = tmp_path / "precious" / "thesis.tex"
    precious.parent.mkdir()
    precious.write_text("years")
    campaign = Campaign(tmp_path / "runs", 2, "engine", {"method": "local"})
    with pytest.raises(SettingsError, match="setting run-name: "):
        campaign.play({name: {}}, Console(quiet=True))
    assert precious.read_text() == "years"
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_folder_that_holds_no_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "thesis.tex").write_text("years")
    campaign = Campaign(tmp_path, 2, "engine", {"method": "local"})
    with pytest.raises(RunFolderError, match="found something else, which is left alone"):
        campaign.play({"local": {}}, Console(quiet=True))
    assert (tmp_path / "local" / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"rounds": "abc"}, "setting rounds: "),
        ({"models": "no-such-model"}, "setting models: unknown"),
        ({"generator": "no-such"}, "generator"),
        ({"fedproto.proto-weight": -1.0}, "fedproto.proto-weight"),
    ],
)
def test_a_wrong_setting_is_refused_before_an_earlier_run_is_touched(
    tmp_path: Path, wrong: dict[str, float | str], told: str
) -> None:
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier" / "settings.toml").touch()
    campaign = Campaign(tmp_path, 2, "engine", {"method": "fedproto"})
    with pytest.raises(SettingsError, match=told):
        campaign.play({"earlier": wrong}, Console(quiet=True))
    assert [path.name for path in tmp_path.rglob("*")] == ["earlier", "settings.toml"]


def test_a_second_command_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with (tmp_path / ".playing").open("a") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        campaign = Campaign(tmp_path, 2, "engine", {"method": "local"})
        with pytest.raises(RunFolderError, match="another command plays here"):
            campaign.play({"local": {}}, Console(quiet=True))
