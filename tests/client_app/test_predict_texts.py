"""Texts through a model that a federation trained: the same words, the same numbers."""

from pathlib import Path

import pytest
from federations.tiny_federations import tiny

from client_app import export, predict
from client_app.data import sentences
from client_app.exporting.opened import open_model

pytestmark = [pytest.mark.federation, pytest.mark.usefixtures("prepared_once")]

TEXTS = {"data": "sentences", "models": "fasttext", "text-length": 16, "max-samples": 400}


def exported(folder: Path, **changes: object) -> Path:
    settings = {**TEXTS, "learning-rate": 0.1, "optimiser": "adamw", "rounds": 2, **changes}
    played = tiny(
        folder, "local", nodes=1, **{key.replace("-", "_"): v for key, v in settings.items()}
    )
    played.play()
    place = folder / "model"
    assert export.main([str(folder / "state" / "test"), f"--out={place}"]) == 0
    return place


def test_each_line_is_a_text_and_files_without_any_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = exported(tmp_path)
    assert open_model(model).card.words
    texts, labels = sentences.made()
    mine = tmp_path / "mine.txt"
    mine.write_text("\n".join([*texts[:30], "", "  "]), "utf-8")
    damaged = tmp_path / "damaged.txt"
    damaged.write_bytes(b"\xff\xff")
    capsys.readouterr()
    assert predict.main([str(model), str(mine), str(damaged), str(tmp_path / "none.txt")]) == 1
    told = capsys.readouterr()
    rows = [line.split("  ") for line in told.out.splitlines()]
    assert [row[0] for row in rows] == [f"{mine}:{n}" for n in range(1, 31)]
    names = list(sentences.SUBJECTS)
    right = sum(names.index(row[1]) == label for row, label in zip(rows, labels, strict=False))
    assert right > 20
    assert f"{damaged}: expected texts in UTF-8, one in each line" in told.err
    assert "30 texts, 2 lines without a word left out, 2 refused" in told.err


def test_no_texts_are_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = exported(tmp_path)
    mine = tmp_path / "mine.txt"
    mine.write_text("file,label,score\nthe rain\n")
    capsys.readouterr()
    assert predict.main([str(model), str(mine), "--csv", str(mine), "--replace"]) == 1
    assert "--csv: expected another file than those to classify" in capsys.readouterr().err
    assert mine.read_text() == "file,label,score\nthe rain\n"


def test_words_of_a_file_need_that_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = tmp_path / "words.txt"
    words.write_text("\n".join(sorted({w for s in sentences.SUBJECTS.values() for w in s.split()})))
    model = exported(tmp_path, **{"vocabulary-file": str(words)})
    mine = tmp_path / "mine.txt"
    mine.write_text("the rain and the snow were there before the storm\n")
    other = tmp_path / "other.txt"
    other.write_text("rain\nsnow\n")
    capsys.readouterr()
    for named, got in (
        ([], "got hashed ones"),
        ([f"--vocabulary-file={other}"], f"{other.name}; name the file"),
    ):
        assert predict.main([str(model), str(mine), *named]) == 1
        told = capsys.readouterr().err
        assert "expected words numbered as when it was trained, by sha256" in told
        assert got in told
    assert predict.main([str(model), str(mine), f"--vocabulary-file={words}"]) == 0
    assert "weather" in capsys.readouterr().out
