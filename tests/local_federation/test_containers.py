"""Containers without an engine: which one is taken, what is refused, what is removed."""

from pathlib import Path

import pytest

from local_federation import containers
from local_federation.containers import ContainerError, Lab, find_lab


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is all of the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("COMPOSE", raising=False)
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    return folder


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_an_engine_it_is_said_what_to_install(programs: Path) -> None:
    with pytest.raises(ContainerError, match="Docker with its compose plugin, or podman-compose"):
        find_lab()


def test_docker_is_taken_where_its_engine_answers(programs: Path) -> None:
    write_program(programs / "docker", "exit 0")
    write_program(programs / "podman-compose", "exit 0")
    lab = find_lab()
    assert lab.command == ("docker", "compose")
    assert lab.engine == "docker"


@pytest.mark.parametrize("script", ['[ "$1" = compose ]', "exit 1"])
def test_podman_is_taken_where_docker_does_not_work(programs: Path, script: str) -> None:
    write_program(programs / "docker", script)
    write_program(programs / "podman-compose", "exit 0")
    lab = find_lab()
    assert lab.command == ("podman-compose",)
    assert lab.engine == "podman"


def test_a_docker_whose_engine_is_down_is_named(programs: Path) -> None:
    write_program(programs / "docker", '[ "$1" = compose ]')
    with pytest.raises(ContainerError, match="its engine does not answer"):
        find_lab()


def test_what_is_named_is_taken(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSE", "podman compose")
    with pytest.raises(ContainerError, match="there is no program podman"):
        find_lab()
    write_program(programs / "podman", "exit 0")
    assert find_lab().command == ("podman", "compose")
    assert find_lab().engine == "podman"


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(ContainerError, match="which is left alone"):
        Lab(("false",)).copy_runs(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_runs_that_could_not_be_copied_are_not_played(
    programs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
) -> None:
    write_program(programs / "podman-compose", f"echo called >> {tmp_path / 'log'}")
    write_program(programs / "podman", f"echo called >> {tmp_path / 'log'}")
    monkeypatch.setattr(containers, "_COPIES", tmp_path / "compose")
    monkeypatch.setattr("sys.argv", ["containers", "play"])
    thesis = tmp_path / "compose" / ("thesis.tex" if what == "folder" else "")
    thesis.parent.mkdir(exist_ok=True)
    thesis.touch()
    assert containers.main() == 1
    assert "compose: expected a folder of earlier copies, or none" in capsys.readouterr().err
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("keep", [True, False])
def test_what_is_left_is_removed_but_what_is_kept(programs: Path, keep: bool) -> None:
    log = programs / "log"
    write_program(programs / "podman-compose", f'echo "compose $*" >> {log}')
    write_program(programs / "podman", f'[ "$2" = ls ] && echo "$1-1" || echo "$*" >> {log}')
    Lab(("podman-compose",)).down(keep=keep)
    first, *removed = log.read_text().splitlines()
    assert first.endswith(" down" if keep else " down -v")
    volumes = [] if keep else ["volume rm -f volume-1"]
    assert removed == ["container rm -f container-1", "network rm network-1", *volumes]


def test_a_command_that_fails_is_named_with_what_it_said(programs: Path) -> None:
    write_program(programs / "podman-compose", "echo the socket is gone >&2; exit 7")
    with pytest.raises(ContainerError, match=r"status 7 of podman-compose .*: the socket is gone"):
        Lab(("podman-compose",)).up()


def test_a_service_is_reached_by_the_engine_itself(programs: Path) -> None:
    write_program(programs / "podman", "echo a1")
    assert Lab(("podman-compose",)).inside("proxy", "cat", "x") == [
        *("podman", "exec", "-i", "a1", "cat", "x")
    ]
    write_program(programs / "podman", "exit 0")
    with pytest.raises(ContainerError, match="service proxy is not up"):
        Lab(("podman-compose",)).inside("proxy", "cat", "x")


def test_a_container_that_has_stopped_is_found_where_it_may_have(programs: Path) -> None:
    write_program(programs / "podman", '[ "$4" = -a ] && echo a1; exit 0')
    lab = Lab(("podman-compose",))
    assert lab.container("node-0", stopped=True) == "a1"
    with pytest.raises(ContainerError, match="service node-0 is not up"):
        lab.container("node-0")
