"""The command that draws samples and says what they are like."""

import hashlib
from pathlib import Path

import pytest
import torch
from PIL import Image

from generators import __main__ as command
from generators.__main__ import main
from generators.preview import draw, latent_statistics, median_squared_distance, write_sheet
from strategies.common import seeds, tensor_file
from tests.strategies.fedktl.fake_generator import FakeGenerator

SMALL = ("--count", "4", "--set", "oriented.image-size=16")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """The folder of a run with two rounds and three classes, of which one has two images."""
    folder = tmp_path / "run" / "checkpoints"
    vectors = torch.randn(4, 64, generator=seeds.generator(0, "test"))
    for number in (1, 2):
        tensors = {"vectors": number * vectors, "labels": torch.tensor([0, 0, 3, 7])}
        tensor_file.write(tensor_file.of_round(folder, number), tensors, {})
    return folder.parent


def test_preview_draws_a_grid_and_tells_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "grid.png"
    assert main(["preview", "oriented", "--out", str(out), *SMALL]) == 0
    # Two by two images of 16 pixels, with two pixels around each: 3 * 2 + 2 * 16.
    with Image.open(out) as grid:
        assert (grid.size, grid.mode) == ((38, 38), "RGB")
    told = capsys.readouterr().out
    assert "2 columns of 16 x 16 pixels" in told
    assert "64 components" in told
    assert "images: 4, " in told
    assert "of values clipped" in told
    assert "warning" not in told
    assert "SHA-256" not in told


def test_the_seed_chooses_the_samples(tmp_path: Path) -> None:
    grids = []
    for seed in ("0", "0", "1"):
        out = tmp_path / "grid.png"
        assert main(["preview", "oriented", "--out", str(out), *SMALL, "--seed", seed]) == 0
        grids.append(out.read_bytes())

    assert grids[0] == grids[1]
    assert grids[0] != grids[2]


@pytest.mark.parametrize("part", ["", "checkpoints", "checkpoints/round-000001.safetensors"])
def test_a_runs_centroids_are_drawn_above_the_samples(
    part: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = checkpoint / "grid.png"
    options = ["--out", str(out), *SMALL, "--centroids", str(checkpoint / part)]
    assert main(["preview", "oriented", *options]) == 0

    # Three centroids in two columns take two rows and so do four samples: 5 * 2 + 4 * 16.
    with Image.open(out) as grid:
        assert grid.size == (38, 74)
    told = capsys.readouterr().out
    number = 1 if part.endswith("safetensors") else 2
    assert f"round-{number:06d}.safetensors, centroids of classes 0, 3, 7 in this order" in told
    vectors = number * torch.randn(4, 64, generator=seeds.generator(0, "test"))
    # The second vector is another image of class 0, not a centroid.
    length = vectors[[0, 2, 3]].norm(dim=1).mean().item()
    assert f"mean length {length:.2f}" in told
    assert "centroids: 3, " in told


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        (
            {"means": torch.zeros(2, 3)},
            "expected the vectors and labels of a fedktl run, got means",
        ),
        ({"image_shape": torch.ones(3)}, "round without uploads"),
        (
            {"vectors": torch.zeros(2, 3), "labels": torch.arange(2)},
            "expected vectors of 64 components, as oriented takes them, got 3",
        ),
        (
            {"vectors": torch.zeros(2, 64), "labels": torch.arange(3)},
            "expected the vectors and labels",
        ),
    ],
)
def test_checkpoints_without_such_centroids_are_refused(
    tensors: dict[str, torch.Tensor],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "round-000001.safetensors"
    tensor_file.write(file, tensors, {})
    out = tmp_path / "grid.png"

    assert main(["preview", "oriented", "--out", str(out), *SMALL, "--centroids", str(file)]) == 2

    assert told in capsys.readouterr().err
    assert not out.exists()


def test_no_checkpoint_and_a_damaged_one_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["preview", "oriented", "--out", str(tmp_path / "grid.png"), "--centroids"]
    assert main([*options, str(tmp_path)]) == 2
    assert "expected a run's folder with checkpoints in it, got none" in capsys.readouterr().err
    (tmp_path / "round-000001.safetensors").write_bytes(b"damaged")
    assert main([*options, str(tmp_path)]) == 2
    assert "expected a readable tensor file" in capsys.readouterr().err


def test_the_sum_of_a_file_is_told_or_required_before_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, built = tmp_path / "weights.pkl", []

    def build(spec: str, *others: object) -> FakeGenerator:
        built.append(spec)
        return FakeGenerator()

    monkeypatch.setattr(command, "build", build)
    monkeypatch.setattr(command, "check", lambda spec: None)
    file.write_bytes(b"weights")
    right = hashlib.sha256(b"weights").hexdigest()
    options = ["preview", f"any:{file}", "--out", str(tmp_path / "grid.png")]

    assert main([*options, "--sha256", "0" * 64]) == 2
    assert built == []
    assert f"expected SHA-256 {'0' * 64}, got {right}" in capsys.readouterr().err
    for chosen in ([], ["--sha256", right.upper()]):
        assert main([*options, *chosen]) == 0
        captured = capsys.readouterr().out
        assert f"SHA-256 {right}" in captured
        # Flat colours are no pictures.
        assert "warning: images are flat" in captured
    for spec in ("oriented", f"any:{tmp_path}", "any:owner/name"):
        changed = ["preview", spec, *options[2:], "--sha256", right]
        assert main(changed) == 2
        assert "--sha256: expected a generator that is one file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*options, "--sha256", "abc"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["dreams"], "the known ones are oriented"),
        (["oriented", "--count", "0"], "--count: expected at least 1, got 0"),
        (["oriented", "--count", "10000000000000"], "lower --count"),
        (["oriented", "--set", "oriented.size=16"], "setting oriented.size: unknown"),
        (["oriented", "--set", "nonsense"], "--set: expected KEY=VALUE"),
        (["oriented", "--set", "seed=1"], "--set seed: expected a setting of this generator, orie"),
        (["oriented", "--set", "noise.seed=1"], "oriented.NAME, got 1, which it does not read"),
        (["oriented", "--set", "oriented.image-size=20"], "16, 32, 64, 128 or 256"),
    ],
)
def test_mistakes_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(["preview", *arguments, "--out", str(tmp_path / "grid.png")]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("40 GiB"), MemoryError("40 GiB")])
def test_too_little_memory_is_explained_and_other_faults_are_not_hidden(
    error: Exception,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults = [error, RuntimeError("a fault of our own")]

    def broken(*arguments: object) -> FakeGenerator:
        raise faults.pop(0)

    monkeypatch.setattr(command, "build", broken)
    options = ["preview", "oriented", "--out", str(tmp_path / "grid.png")]

    assert main(options) == 2
    assert "does not fit into the memory of cpu" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="of our own"):
        main(options)


def test_a_missing_gpu_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    options = ["--device", "cuda", "--out", str(tmp_path / "grid.png")]
    assert main(["preview", "oriented", *options]) == 2
    assert "--device: no GPU is visible" in capsys.readouterr().err


def test_a_missing_folder_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "oriented", "--out", str(tmp_path / "no" / "grid.png")]) == 2
    assert "--out: expected an existing folder" in capsys.readouterr().err


def test_another_folder_than_the_project_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["preview", "oriented", "--out", str(tmp_path / "grid.png")]) == 2
    assert "[tool.flwr.app.config]" in capsys.readouterr().err


def test_the_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["preview", "--help"])
    assert "python -m generators preview oriented --out grid.png" in capsys.readouterr().out


def test_the_median_is_over_pairs() -> None:
    # Points 0, 1 and 3 on a line: squared distances 1, 9 and 4.
    assert median_squared_distance(torch.tensor([[0.0], [1.0], [3.0]])) == 4.0


@pytest.mark.parametrize("width", [8, 65_536])
def test_latents_of_any_width_are_described(width: int) -> None:
    found = latent_statistics(FakeGenerator(width), seeds.generator(0, "test"))

    assert found.mean == pytest.approx(0, abs=0.03)
    assert found.variance == pytest.approx(1, rel=0.05)
    assert found.norm == pytest.approx(width**0.5, rel=0.05)
    # Squared distances of two such points are 2d on average; the median is a little less.
    assert found.median_squared_distance == pytest.approx(2 * width, rel=0.1)


def test_drawing_tells_its_progress_and_keeps_the_order() -> None:
    generator, told = FakeGenerator(side=4), list[int]()
    latents = generator.sample_latents(5, seeds.generator(0, "test"))

    drawn = draw(generator, latents, told.append)

    assert torch.equal(drawn.images, generator.synthesize(latents))
    assert told == [1] * 5
    assert drawn.images_per_second > 0
    assert drawn.peak_gpu_bytes is None


def test_parts_of_a_sheet_begin_on_rows_of_their_own(tmp_path: Path) -> None:
    white, grey = torch.full((5, 3, 4, 4), 255), torch.full((1, 3, 4, 4), 100)
    parts = [white.to(torch.uint8), grey.to(torch.uint8)]

    assert write_sheet(parts, tmp_path / "sheet.png") == 2

    # Cells of 4 pixels and gaps of 2; cell (row, column) begins at 2 + 6 * row.
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (14, 26)
        cells = [[sheet.getpixel((3 + 6 * x, 3 + 6 * y))[0] for x in (0, 1)] for y in range(4)]
    assert cells == [[255, 255], [255, 255], [255, 0], [100, 0]]
