import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from client_app.data import prepared
from strategies.common.errors import DataError, SettingsError
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]


def folder(place: Path, part: str, count: int, answers: list[str]) -> None:
    """Write pictures with questions in the hub's layout."""
    own = place / part
    own.mkdir(parents=True)
    lines = []
    for number in range(count):
        Image.new("RGB", (6, 4), (number, 0, 0)).save(own / f"{number}.png")
        asked = {"file_name": f"{number}.png", "question": f"What is {number}?"}
        lines.append(json.dumps({**asked, "answer": answers[number % len(answers)]}))
    (own / "metadata.jsonl").write_text("\n".join(lines))


def test_grids_are_prepared_once_and_read_back_whole(tmp_path: Path, run_settings: Build) -> None:
    settings = run_settings(max_samples=40)
    first = prepared.load(settings, "digitgrid:function", 1, 5, tmp_path)
    again = prepared.load(settings, "digitgrid:function", 1, 5, tmp_path)
    assert (len(first.train), len(first.test)) == (30, 10)
    assert first.num_classes == 5
    assert len(first.train.questions) == 30
    assert again.train.questions == first.train.questions
    assert torch.equal(again.test.inputs, first.test.inputs)
    assert again.class_names == first.class_names
    assert len(list(tmp_path.glob("*/1.safetensors"))) == 1


def test_clients_have_lists_of_their_own_length(tmp_path: Path, run_settings: Build) -> None:
    settings = run_settings(max_samples=40)
    lengths = [
        prepared.load(settings, "digitgrid:function", client, 5, tmp_path).num_classes
        for client in range(5)
    ]
    assert lengths == [10, 5, 4, 10, 2]


def test_an_unknown_benchmark_is_refused(tmp_path: Path, run_settings: Build) -> None:
    with pytest.raises(SettingsError, match="domain, function, related"):
        prepared.load(run_settings(), "digitgrid:other", 0, 5, tmp_path)


def test_a_folder_of_questions_keeps_its_own_test_part_and_its_scores(
    tmp_path: Path, run_settings: Build
) -> None:
    folder(tmp_path / "vqa", "train", 20, ["yes", "no", "rare"])
    folder(tmp_path / "vqa", "test", 8, ["yes", "no"])
    settings = run_settings(image_size=8, max_answers=2)
    for _ in range(2):
        data = prepared.load(settings, f"vqa:{tmp_path / 'vqa'}", 0, 1, tmp_path / "kept")
        assert sorted(data.class_names) == ["no", "yes"]
        assert len(data.test) == 8
        # A third of the questions have an answer that is not in the list.
        assert len(data.train) == 14
        assert data.train.scores is not None
        assert data.train.scores.shape == (14, 2)
        assert data.train.inputs.shape[1:] == (3, 8, 8)
        assert any("6 of 20 questions have no answer" in note for note in data.notes)


def test_a_folder_without_a_test_part_is_split(tmp_path: Path, run_settings: Build) -> None:
    folder(tmp_path, "vqa", 40, ["yes", "no"])
    settings = run_settings(image_size=8, test_fraction=0.25)
    data = prepared.load(settings, f"vqa:{tmp_path / 'vqa'}", 0, 1, tmp_path / "kept")
    assert (len(data.train), len(data.test)) == (30, 10)
    assert not set(data.train.questions) & set(data.test.questions)


def test_too_few_questions_are_refused(tmp_path: Path, run_settings: Build) -> None:
    folder(tmp_path / "vqa", "train", 4, ["yes", "no"])
    folder(tmp_path / "vqa", "test", 4, ["yes", "no"])
    with pytest.raises(DataError, match=r"expected at least 10 samples to train on"):
        prepared.load(
            run_settings(image_size=8), f"vqa:{tmp_path / 'vqa'}", 0, 1, tmp_path / "kept"
        )


def test_what_was_left_out_stands_in_the_error(tmp_path: Path, run_settings: Build) -> None:
    folder(tmp_path, "vqa", 14, ["yes", "no"])
    lines = (tmp_path / "vqa" / "metadata.jsonl").read_text().replace('"no"', "null")
    (tmp_path / "vqa" / "metadata.jsonl").write_text(lines)
    told = r"expected at least 10 samples to train on .*; vqa .*: 7 of 14 questions left out: 7 wit"
    with pytest.raises(DataError, match=told):
        prepared.load(
            run_settings(image_size=8), f"vqa:{tmp_path / 'vqa'}", 0, 1, tmp_path / "kept"
        )
