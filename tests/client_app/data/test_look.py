"""Looking at a device's own data: what a run would have, a sheet, and no trace."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from client_app.data.__main__ import main

ENOUGH = ("--set=min-train-samples=2", "--set=min-test-samples=1")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(16):
        inside = tmp_path / "photos" / ("cats", "dogs")[number % 2]
        inside.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 6), (0, 10 * number, 0)).save(inside / f"{number}.png")
    (tmp_path / "photos" / "README.md").write_text("x")
    return tmp_path / "photos"


def state(folder: Path) -> str:
    return f"--node-config=partition-id=2 num-partitions=3 state-dir={folder / 'state'}"


def test_a_folder_as_a_run_would_have_it(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = tmp_path / "sheet.png"
    words = [f"folder:{photos}", state(tmp_path), f"--sheet={drawn}", *ENOUGH]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert f"folder:{photos}: client 2 of 3" in told
    assert "images of 3 x 6 x 6" in told
    assert "uint8 from 0 to 150" in told
    assert "16: 12 to train on, 4 to test on" in told
    rows = [line.split() for line in told.splitlines()]
    assert ["0", "cats", "6", "2"] in rows
    assert ["1", "dogs", "6", "2"] in rows
    assert "folder: 1 of 17 files left out: 1 beside the class folders (README.md)" in told
    with Image.open(drawn) as sheet:
        colours = sheet.getcolors(1 << 16)
        assert colours is not None
        # The brightest of all samples is on the sheet, in its place to the right or the left.
        assert (0, 150, 0) in {colour for _, colour in colours}
    # No split was dealt for good by looking.
    assert not (tmp_path / "state").exists()


def test_a_table_is_read_by_the_columns_that_the_node_config_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{n}.5,{'ab'[n % 2]},{'pq'[n % 2]}" for n in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["height,label,my stars", *rows]))
    words = [f"own-csv:{tmp_path / 't.csv'}", f'{state(tmp_path)} label-column="my stars"']
    assert main(words) == 0
    assert "the label is column my stars" in capsys.readouterr().out


def test_windows_tokens_and_questions_are_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, x in (
        ("windows", np.linspace(-3, 3, 8 * 2 * 9, dtype=np.float32).reshape(8, 2, 9)),
        ("tokens", np.arange(64).reshape(8, 8)),
    ):
        for part in ("train", "test"):
            (tmp_path / name / part).mkdir(parents=True)
            data = np.empty((), dtype=object)
            data[()] = {"x": x, "y": np.arange(8) % 2}
            np.savez(tmp_path / name / part / "0.npz", data=data)
        config = {"num_classes": 2, "vocabulary": 64}
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    (tmp_path / "vqa").mkdir()
    lines = []
    for number in range(8):
        Image.new("RGB", (5, 4), (200, number, 0)).save(tmp_path / "vqa" / f"{number}.png")
        entry = {"file_name": f"{number}.png", "question": f"what is in picture {number} ?"}
        lines.append(json.dumps({**entry, "answer": "œuf"}))
    (tmp_path / "vqa" / "metadata.jsonl").write_text("\n".join(lines))
    for spec, inputs in (
        ("pfllib:windows", "windows of 2 x 9"),
        ("pfllib:tokens", "64"),
        ("vqa:vqa", "images of 3 x 4 x 5"),
    ):
        kind, _, name = spec.partition(":")
        drawn = tmp_path / f"{name}.png"
        words = [f"{kind}:{tmp_path / name}", f"--sheet={drawn}", state(tmp_path), *ENOUGH]
        words[2] = words[2].replace("partition-id=2", "partition-id=0")
        assert main(words) == 0
        assert inputs in capsys.readouterr().out
        with Image.open(drawn) as sheet:
            assert len(sheet.getcolors(1 << 16) or []) > 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "SettingsError: setting data: unknown source 'nowhere'"),
        (["folder:/nowhere"], "DataError: folder: expected a folder at /nowhere"),
        (["digits", "--partition=3"], "SettingsError: node config partition-id"),
        (["digits", "--set=max-sample=3"], "SettingsError: unknown setting max-sample"),
        (
            ["digits", "--set=fd.distillation-weight=0.3"],
            "SettingsError: --set fd.distillation-weight: expected a general setting, got one",
        ),
    ],
)
def test_what_cannot_be_looked_at_is_named_in_one_line(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(told)


def test_a_sheet_that_cannot_be_written_is_named(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, told in (("sheet.jpg", "ends in .png"), ("none/sheet.png", "cannot be written")):
        assert main([f"folder:{photos}", f"--sheet={tmp_path / name}", *ENOUGH]) == 1
        assert told in capsys.readouterr().err


def test_a_sheet_within_the_data_is_refused(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to(photos)
    for place in (photos / "cats" / "000.png", tmp_path / "link" / "sheet.png"):
        assert main([f"folder:{photos}", f"--sheet={place}", *ENOUGH]) == 1
        assert f"--sheet: expected a place outside the data {photos}" in capsys.readouterr().err
        assert not place.exists()


def test_help_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert all(word in told for word in ("SPEC", "--node-config", "--partition", "--sheet"))
