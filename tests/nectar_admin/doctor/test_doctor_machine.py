"""What a device needs of itself, and what is said where it is not there."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from nectar_admin.doctor import machine
from nectar_admin.doctor.finding import Finding, Verdict


def of(subject: str, findings: list[Finding]) -> Finding:
    (found,) = [finding for finding in findings if finding.subject == subject]
    return found


def test_a_folder_that_is_to_be_made_is_judged_by_where_it_is_to_lie(tmp_path: Path) -> None:
    found = machine.state(tmp_path / "one" / "two")
    assert of("state-dir", found).verdict is Verdict.GOOD
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(machine.tempfile, "TemporaryFile", refused)
    found = of("state-dir", machine.state(tmp_path))
    assert found.verdict is Verdict.FAULT
    assert f"cannot be written by user {os.geteuid()} (Permission denied)" in found.said
    assert "chown" in found.cure


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("x")
    found = of("state-dir", machine.state(tmp_path / "state"))
    assert "it is no folder" in found.said


@pytest.mark.parametrize(
    ("free", "verdict"), [(900_000_000, Verdict.FAULT), (2 << 30, Verdict.GOOD)]
)
def test_room(free: int, verdict: Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert of("disk", machine.state(tmp_path)).verdict is verdict


def test_the_python_that_runs_this_is_one_of_those_supported() -> None:
    assert machine.python().verdict is Verdict.GOOD


@pytest.mark.parametrize(
    ("processor", "verdict"), [("aarch64", Verdict.FAULT), ("x86_64", Verdict.NOTED)]
)
def test_a_torch_for_cuda_on_a_machine_without(
    processor: str, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_GPUS", ())
    monkeypatch.setattr(machine.platform, "machine", lambda: processor)
    found = machine.torch_build("13.0", is_there=False)
    assert (found.verdict, "brings CUDA 13.0" in found.said) == (verdict, True)
    assert "index of CPU wheels" in found.cure
    assert machine.torch_build("13.0", is_there=True).verdict is Verdict.GOOD


def test_a_torch_without_cuda_is_right_on_a_machine_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "_GPUS", ())
    assert machine.torch_build(None, is_there=False).verdict is Verdict.GOOD
    monkeypatch.setattr(machine, "_GPUS", (__file__,))
    jetson = machine.torch_build(None, is_there=False)
    assert "does not use the GPU that this machine has" in jetson.said
    assert "JetPack" in jetson.cure


def test_a_start_that_takes_too_long_and_one_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = '{"bytes": 5e8, "cuda": null, "gpu": false}'
    answers = iter([(0, told, ""), (1, "", "Traceback\nImportError: no torch\n"), (-9, "", "")])

    def run(*_: object, **__: object) -> SimpleNamespace:
        status, out, err = next(answers)
        return SimpleNamespace(returncode=status, stdout=out, stderr=err)

    clock = iter([0.0, 20.0, 0.0, 0.0, 0.0, 0.0])
    monkeypatch.setattr(machine.subprocess, "run", run)
    monkeypatch.setattr(machine, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    slow = of("start", machine.start())
    assert (slow.verdict, slow.said.split(";")[0]) == (
        Verdict.FAULT,
        "20.0 s and 500 MB to import what every app needs",
    )
    assert "ImportError: no torch" in of("start", machine.start()).said
    assert "it was killed" in of("start", machine.start()).said
