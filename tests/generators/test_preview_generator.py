"""The command that draws a grid of samples."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from generators.__main__ import main
from generators.preview import median_squared_distance


def test_preview_draws_a_grid_and_tells_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "grid.png"
    options = ["--out", str(out), "--count", "4", "--set", "oriented.image-size=16"]
    assert main(["preview", "oriented", *options]) == 0
    # Two by two images of 16 pixels, with two pixels around each: 3 * 2 + 2 * 16.
    with Image.open(out) as grid:
        assert (grid.size, grid.mode) == ((38, 38), "RGB")
    told = capsys.readouterr().out
    assert "4 in" in told
    assert "64 components" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["dreams"], "the known ones are oriented"),
        (["oriented", "--count", "0"], "--count: expected at least 1, got 0"),
        (["oriented", "--set", "oriented.size=16"], "setting oriented.size: unknown"),
        (["oriented", "--set", "nonsense"], "--set: expected KEY=VALUE"),
        (["oriented", "--set", "oriented.image-size=20"], "16, 32, 64, 128 or 256"),
    ],
)
def test_mistakes_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(["preview", *arguments, "--out", str(tmp_path / "grid.png")]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "oriented", "--out", str(tmp_path / "no" / "grid.png")]) == 2
    assert "--out: expected an existing folder" in capsys.readouterr().err


def test_another_folder_than_the_project_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["preview", "oriented", "--out", str(tmp_path / "grid.png")]) == 2
    assert "[tool.flwr.app.config]" in capsys.readouterr().err


def test_the_median_is_over_pairs() -> None:
    # Points 0, 1 and 3 on a line: squared distances 1, 9 and 4.
    assert median_squared_distance(torch.tensor([[0.0], [1.0], [3.0]])) == 4.0
