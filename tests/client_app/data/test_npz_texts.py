"""Texts as PFLlib saves them: lists of words' numbers of unlike lengths."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from client_app.data import npz, prepared
from strategies.common.errors import DataError
from strategies.common.inputs import Tokens
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]


def saved(path: Path, texts: list[object], lengths: list[object] | None = None) -> Path:
    """Save as PFLlib does: pairs of a list and its length, which NumPy makes objects of."""
    x = np.empty((len(texts), 2), dtype=object)
    for row, text in enumerate(texts):
        x[row, 0] = text
        x[row, 1] = len(text) if lengths is None else lengths[row]
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"x": x, "y": np.arange(len(texts)) % 2}
    np.savez_compressed(path, data=np.array(data, dtype=object))
    return path


def test_they_are_cut_and_filled_up(tmp_path: Path) -> None:
    path = saved(tmp_path / "0.npz", [[5, 300, 70_000], [9], [], [1, 2, 3, 4, 5], [7, 0, 0, 0]])
    found = npz.read(path, 3)
    assert found["x"].tolist() == [[5, 300, 70_000], [9, 0, 0], [0, 0, 0], [1, 2, 3], [7, 0, 0]]
    assert (found["x"].dtype, int(found["x.cut"])) == (np.int64, 1)


def test_ten_thousand_words_are_not_too_many(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts = [rng.integers(1, 32_000, rng.integers(1, 60)).tolist() for _ in range(500)]
    found = npz.read(saved(tmp_path / "0.npz", texts), 60)["x"]
    assert [row[: len(text)].tolist() for row, text in zip(found, texts, strict=True)] == texts


def test_where_no_texts_are_asked_for_they_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'x' is numpy elements of type 'O8'"):
        npz.read(saved(tmp_path / "0.npz", [[1, 2]]))


def test_one_list_in_many_places_is_refused(tmp_path: Path) -> None:
    same = [1, 2, 3]
    with pytest.raises(DataError, match="with one text in several places"):
        npz.read(saved(tmp_path / "0.npz", [same, [4], same]), 3)


def test_more_than_a_machine_holds_is_refused_by_text_length(tmp_path: Path) -> None:
    path = saved(tmp_path / "0.npz", [[n] for n in range(300)])
    with pytest.raises(DataError, match=r"300 texts, more than .* at text-length=1000000"):
        npz.read(path, 1_000_000)


def test_how_many_were_cut_is_counted_and_not_read(tmp_path: Path) -> None:
    data = {"x": np.zeros((2, 3)), "y": np.arange(2), "x.cut": np.arange(3)}
    np.savez(tmp_path / "0.npz", data=np.array(data, dtype=object))
    with pytest.raises(DataError, match=r"a key that ends in \.cut"):
        npz.read(tmp_path / "0.npz", 3)


@pytest.mark.parametrize("text", [[-1], [2**63], [True], [1.5], ["word"], "word", (1, 2), None])
def test_anything_else_is_refused(tmp_path: Path, text: object) -> None:
    path = saved(tmp_path / "0.npz", [[1], text], [1, 1])
    with pytest.raises(DataError, match="texts that are no lists of numbers from 0"):
        npz.read(path, 3)


def test_a_client_of_them_is_read_and_told(run_settings: Build, tmp_path: Path) -> None:
    place = tmp_path / "news"
    texts = [[1 + n % 9] * (n % 12) for n in range(40)]
    saved(place / "train" / "0.npz", texts)
    saved(place / "test" / "0.npz", texts[:20])
    run, spec = run_settings(text_length=8), f"pfllib:{place}"

    def load(run: RunSettings) -> prepared.ClientData:
        return prepared.load(run, spec, 0, 1, tmp_path / "state" / "prepared")

    (place / "config.json").write_text(json.dumps({"num_clients": 1, "num_classes": 2}))
    with pytest.raises(DataError, match=r'write how many .*"vocabulary": 10'):
        load(run)
    (place / "config.json").write_text(json.dumps({"num_classes": 2, "vocabulary": 10}))
    data = load(run)
    assert data.inputs == Tokens(8, 10)
    # Of twelve lengths 9, 10 and 11 are beyond 8.
    told = [note for note in data.notes if "were cut" in note]
    assert told == ["pfllib: 12 of 60 texts are longer than text-length=8 and were cut"]
    assert load(run_settings(text_length=12)).inputs == Tokens(12, 10)


def test_texts_that_are_cut_elsewhere_are_split_as_from_the_start(
    run_settings: Build, tmp_path: Path
) -> None:
    place = tmp_path / "news"
    texts = [[1 + (n * k) % 97 for k in range(1, 40)] for n in range(1, 91)]
    saved(place / "train" / "0.npz", texts)
    saved(place / "test" / "0.npz", texts[::-1][:60])
    (place / "config.json").write_text(json.dumps({"num_classes": 2, "vocabulary": 100}))
    for length in (30, 20):
        run = run_settings(text_length=length, max_samples=50)
        kept = tmp_path / "state" / "prepared"
        data = prepared.load(run, f"pfllib:{place}", 0, 1, kept)
        assert (len(data.train), len(data.test)) == (30, 20)
