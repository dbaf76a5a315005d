"""Runs compared from Python: the page that the command line would write of them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import nectar
from tests.server_app.run_folders import round_of, write_run


def test_runs_and_folders_are_compared_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Sequence[Path], Path, float | None]] = []

    def written(runs: Sequence[Path], out: Path, *, reach: float | None = None) -> Path:
        asked.append((runs, out, reach))
        return out / "compare.html"

    # What it writes has tests of its own.
    monkeypatch.setattr("nectar.door.write_comparison", written)
    monkeypatch.chdir(tmp_path)
    fd = write_run(tmp_path / "fd", [round_of(1, (0.5, 0.5), method="fd")], method="fd")
    page = nectar.compare([nectar.read(fd), "local"], "mine", reach=0.8)
    assert page == tmp_path / "mine" / "compare.html"
    assert asked == [([fd, Path("local")], tmp_path / "mine", 0.8)]


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(nectar.NectarError, match=str(tmp_path)):
        nectar.compare([tmp_path])
