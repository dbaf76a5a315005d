"""What commands keep beside their runs: theirs alone is removed, and nobody's at the wrong time."""

from pathlib import Path

import pytest

from local_federation.home import Home
from strategies.common.errors import RunFolderError
from strategies.common.folder_lock import hold
from tests.local_federation.left_runs import write_run


def begun(home: Home) -> None:
    """Leave what a command and its clients leave."""
    with home.held():
        for name in home.names:
            write_run(home.folder / name)
            (home.state / name / "0").mkdir(parents=True)
        (home.state / "prepared").mkdir()
        (home.path / "logs").mkdir()
        (home.path / "state" / "node-0" / home.names[-1]).mkdir(parents=True)


def there(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_dir()}


def test_an_earlier_run_is_neither_replaced_nor_gone_on_with_unasked(tmp_path: Path) -> None:
    write_run(tmp_path / "fd")
    home = Home(tmp_path, ("fd-local", "fd"))
    with pytest.raises(RunFolderError, match=r"fd: holds a run already; .*resume=true.*--replace"):
        home.standing(replace=False, resume=False)
    assert home.standing(replace=True, resume=False) == {"fd-local": False, "fd": False}
    # The baseline had not begun.
    assert home.standing(replace=False, resume=True) == {"fd-local": False, "fd": True}
    with pytest.raises(RunFolderError, match="got both"):
        home.standing(replace=True, resume=True)


def test_a_run_without_a_round_is_nothing_to_lose(tmp_path: Path) -> None:
    write_run(tmp_path / "fd", rounds=0)
    assert Home(tmp_path, ("fd",)).standing(replace=False, resume=False) == {"fd": False}


@pytest.mark.parametrize("mark", ["", "title = 'my thesis'", "no toml ["])
def test_a_folder_without_the_mark_of_a_run_is_left_alone(tmp_path: Path, mark: str) -> None:
    (tmp_path / "fd").mkdir()
    (tmp_path / "fd" / "settings.toml").write_text(mark)
    with pytest.raises(RunFolderError, match="found something else, which is left alone"):
        Home(tmp_path, ("fd",)).standing(replace=True, resume=False)


def test_a_foreign_home_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".federation").mkdir()
    (tmp_path / ".federation" / "thesis.tex").write_text("years")
    with pytest.raises(
        RunFolderError, match=r"\.federation: expected a folder that a command made"
    ):
        Home(tmp_path, ("fd",)).standing(replace=True, resume=False)


def test_replacing_removes_what_is_the_runs_and_nothing_else(tmp_path: Path) -> None:
    other = Home(tmp_path, ("other",))
    begun(other)
    kept = there(tmp_path)
    home = Home(tmp_path, ("fd-local", "fd"))
    begun(Home(tmp_path / "elsewhere", ("fd",)))
    kept |= there(tmp_path)
    with home.held():
        for name in home.names:
            write_run(tmp_path / name)
            (home.state / name / "0").mkdir(parents=True)
        (home.path / "flwr").mkdir()
        home.clear({"fd-local": False, "fd": False})
    names = {path for path in there(tmp_path) if not path.endswith(("runs/fd", "runs/fd-local"))}
    assert names == {path for path in kept if not path.endswith(("runs/fd", "runs/fd-local"))}


def test_going_on_keeps_the_run_and_private_states_of_its_clients(tmp_path: Path) -> None:
    home = Home(tmp_path, ("fd",))
    begun(home)
    with home.held():
        home.clear({"fd": True})
    left = there(tmp_path)
    assert {"fd", ".federation/state/fd/0", ".federation/state/prepared"} <= left
    assert ".federation/runs/fd/state/node-0/fd" in left
    assert ".federation/runs/fd/logs" not in left
    with home.held():
        home.clear({"fd": False})
    assert not {path for path in there(tmp_path) if path.endswith(("/fd/0", "node-0/fd"))}
    assert not (tmp_path / "fd").exists()


def test_commands_with_other_names_play_side_by_side_and_the_same_name_does_not(
    tmp_path: Path,
) -> None:
    first, second = Home(tmp_path, ("a-local", "a")), Home(tmp_path, ("b-local", "b"))
    with first.held(), second.held():
        assert first.path != second.path
        for again in (("a",), ("a-local",), ("c", "a")):
            with (
                pytest.raises(RunFolderError, match=r"a.*: this run is played by process \d+ on"),
                Home(tmp_path, again).held(),
            ):
                pass
    with first.held():
        pass


def test_a_run_that_a_server_plays_is_not_removed(tmp_path: Path) -> None:
    home = Home(tmp_path, ("fd",))
    begun(home)
    with (
        home.held(),
        hold(tmp_path / "fd", RunFolderError),
        pytest.raises(RunFolderError, match="fd: this run is played by process"),
    ):
        home.clear({"fd": False})
    assert (tmp_path / "fd" / "rounds.jsonl").exists()
