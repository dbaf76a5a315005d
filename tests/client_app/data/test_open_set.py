"""Open data: read alike everywhere, without labels, and disjoint from what clients are dealt."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from client_app.data import digits, open_set, prepared
from client_app.data.sources import parse
from client_app.node import NodeConfig
from strategies.common import tensor_file
from strategies.common.errors import DataError, SettingsError
from strategies.common.settings import RunSettings

Settings = Callable[..., RunSettings]


def rows_of(inputs: Tensor) -> set[bytes]:
    return {row.numpy().tobytes() for row in inputs}


def test_samples_of_a_common_set_that_are_kept_open_are_dealt_to_nobody(
    run_settings: Settings, tmp_path: Path
) -> None:
    """Check 23: open and private samples are disjoint, and together they are all."""
    run = run_settings(data="digits", open_data="digits", open_samples=300, partition="iid")
    opened = open_set.load(run, "digits", tmp_path / "prepared")
    private = [
        prepared.load(run, "digits", client, 3, tmp_path / "prepared") for client in range(3)
    ]
    dealt = torch.cat([part.inputs for own in private for part in (own.train, own.test)])
    # Handwritten digits of which no two are the same image.
    assert (len(opened.inputs), len(dealt)) == (300, 1497)
    assert not rows_of(opened.inputs) & rows_of(dealt)
    every = digits.read()
    everything = every.read(torch.arange(1797), 0).inputs
    assert rows_of(opened.inputs) | rows_of(dealt) == rows_of(everything)


def test_a_device_with_data_of_another_source_keeps_all_of_it(
    run_settings: Settings, tmp_path: Path
) -> None:
    run = run_settings(data="digits", open_data="parquet:elsewhere", open_samples=300)
    held = [prepared.load(run, "digits", client, 3, tmp_path) for client in range(3)]
    assert sum(len(own.train) + len(own.test) for own in held) == 1797


def test_a_folder_is_the_same_however_it_is_written(run_settings: Settings, tmp_path: Path) -> None:
    place = tmp_path / "images"
    for label, name in enumerate(("cats", "dogs")):
        (place / name).mkdir(parents=True)
        for number in range(20):
            values = np.full((4, 4), 100 * label + number, np.uint8)
            Image.fromarray(values).save(place / name / f"{number}.png")
    named = f"images:{place}/../images/"
    run = run_settings(data=f"images:{place}", open_data=named, open_samples=10, partition="iid")
    opened = open_set.load(run, named, tmp_path / "prepared")
    held = [prepared.load(run, f"images:{place}", n, 2, tmp_path / "prepared") for n in range(2)]
    dealt = torch.cat([part.inputs for own in held for part in (own.train, own.test)])
    assert (len(opened.inputs), len(dealt)) == (10, 30)
    assert not rows_of(opened.inputs) & rows_of(dealt)


def test_rows_that_the_run_keeps_open_are_dealt_to_nobody_wherever_a_device_holds_them(
    run_settings: Settings, tmp_path: Path
) -> None:
    for name in ("runs", "here"):
        rows = [f"{'ab'[n % 2]},{n}.5" for n in range(60)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["kind,height", *rows]))
    runs, here = (f"csv:{tmp_path / name}.csv" for name in ("runs", "here"))
    run = run_settings(data=runs, open_data=runs, open_samples=20, partition="iid")
    opened = open_set.load(run, runs, tmp_path / "prepared")
    for own in (run, NodeConfig(partition_id=0, num_partitions=1, open_data=here).reading(run)):
        held = prepared.load(own, here, 0, 1, tmp_path / "prepared")
        assert len(held.train) + len(held.test) == 40
        assert not rows_of(held.train.inputs) & rows_of(opened.inputs)


def test_labels_are_never_read(
    run_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check 23: with labels of -1 the open data are the same."""
    run = run_settings(data="folder:elsewhere", open_data="digits", open_samples=50)
    first = open_set.load(run, "digits", tmp_path / "one")
    collection = digits.read()
    unknown = replace(collection, labels=torch.full_like(collection.labels, -1))
    monkeypatch.setattr(digits, "read", lambda: unknown)
    second = open_set.load(run, "digits", tmp_path / "other")
    assert first.told == second.told
    assert torch.equal(first.inputs, second.inputs)


def test_what_was_read_is_kept_and_found_again(
    run_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_settings(data="folder:elsewhere", open_data="digits")
    first = open_set.load(run, "digits", tmp_path)
    monkeypatch.setattr(digits, "read", lambda: pytest.fail("read twice"))
    again = open_set.load(run, "digits", tmp_path)
    assert first.told == again.told
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(b"damaged")
    monkeypatch.undo()
    assert open_set.load(run, "digits", tmp_path).told == first.told


def test_another_order_is_another_set(run_settings: Settings, tmp_path: Path) -> None:
    """Check 23: rows are told apart by their places."""
    run = run_settings(data="folder:elsewhere", open_data="digits", open_samples=20)
    opened = open_set.load(run, "digits", tmp_path)
    turned = open_set.OpenData.of(opened.inputs.flip(0))
    assert turned.told.samples == opened.told.samples
    assert turned.told.sha256 != opened.told.sha256


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"open_data": "vqa:there"}, "expected samples that all hold alike, of digits, parquet"),
        (
            {"open_data": "pfllib:there", "data": "pfllib:there/../there"},
            "expected samples that are no client's own, got pfllib:there beside data=pfllib:there/",
        ),
        (
            {"open_data": "folder:there", "data": "images:there/", "open_samples": 5},
            "expected samples that are no client's own, got folder:there beside data=images:there/",
        ),
        ({"open_data": "digits", "data": "digits"}, r"setting open-samples: expected how many"),
        ({"open_data": "nothing:there"}, "unknown source"),
    ],
)
def test_what_cannot_be_open_is_refused_before_anything_is_read(
    run_settings: Settings, settings: dict[str, str], reason: str
) -> None:
    with pytest.raises(SettingsError, match=reason):
        open_set.check(run_settings(**settings))


def test_a_set_that_would_be_all_open_is_refused(run_settings: Settings, tmp_path: Path) -> None:
    run = run_settings(data="digits", open_data="digits", open_samples=1797)
    with pytest.raises(DataError, match=r"expected fewer than the 1797 samples of digits"):
        prepared.load(run, "digits", 0, 3, tmp_path)


@pytest.mark.parametrize(
    ("opened", "reason"),
    [
        (
            1790,
            "setting open-samples keeps 1790 of 1797 samples open and leaves 7 to deal: lower it",
        ),
        (1770, "setting open-samples keeps 1770 of 1797 samples open and leaves 27 to deal"),
    ],
)
def test_too_few_to_deal_name_what_is_kept_open(
    run_settings: Settings, tmp_path: Path, opened: int, reason: str
) -> None:
    run = run_settings(data="digits", open_data="digits", open_samples=opened)
    with pytest.raises(DataError, match=reason):
        prepared.load(run, "digits", 0, 3, tmp_path)
    # Where others are open, it is none of their doing.
    apart = run_settings(data="digits", open_data="sentences", open_samples=opened)
    assert prepared.load(apart, "digits", 0, 3, tmp_path).train.inputs.numel()


def listed(place: Path, rows: list[str]) -> str:
    place.write_text("\n".join(["kind,one,other", *rows]))
    return f"csv:{place}"


def told_beside(
    run: RunSettings, spec: str, place: Path, private: str, *own: Tensor
) -> tuple[str, ...]:
    """Return what is told of copies beside a client's own of the same columns."""
    words = parse(spec).collection(run).words
    notes = open_set.beside(run, spec, place, private, words, *own)
    return tuple(note for note in notes if "copies" in note)


def test_samples_of_a_client_that_are_open_as_well_are_counted(
    run_settings: Settings, tmp_path: Path
) -> None:
    """Links, copies and other names of a file hide from paths; what is in it does not."""
    spec = listed(tmp_path / "open.csv", [f"{'xy'[n % 2]},{n}.5,{60 - n}.25" for n in range(60)])
    run = run_settings(open_data=spec, data="folder:elsewhere", label_column="kind")

    def told(rows: Tensor) -> tuple[str, ...]:
        cut = len(rows) // 2
        return told_beside(run, spec, tmp_path, "folder:mine", rows[:cut], rows[cut:])

    every = open_set.load(run, spec, tmp_path).inputs
    assert told(every[:20] + 0.125) == ()
    (note,) = told(torch.cat([every[:3], every[:20] + 0.125]))
    assert note.startswith("open data: 3 of the 23 samples of this client's own are exact copies")
    assert note.endswith("the files may be the same")
    with pytest.raises(SettingsError, match="got exact copies of all 30 of this client's"):
        told(every[20:50])
    # Too few to tell, of another type, or none.
    assert told(every[:3])[0].startswith("open data: 3 of the 3 samples")
    assert told(every[:20].double()) == ()
    assert told(every[:0]) == ()


def test_rows_that_repeat_themselves_are_copies_by_chance(
    run_settings: Settings, tmp_path: Path
) -> None:
    """Four answers of yes or no have sixteen rows, whoever was asked."""
    rows = [f"{'xy'[n % 2]},{n % 4 // 2}.5,{n % 3}.25" for n in range(60)]
    spec = listed(tmp_path / "open.csv", rows)
    run = run_settings(open_data=spec, data=spec, open_samples=40, label_column="kind")
    every = open_set.load(run, spec, tmp_path).inputs
    (note,) = told_beside(run, spec, tmp_path, spec, every[:20], every[20:])
    assert note.startswith("open data: 40 of the 40 samples of this client's own are exact copies")
    assert note.endswith("the source repeats itself")


def test_what_open_data_lack_is_told(run_settings: Settings, tmp_path: Path) -> None:
    rows = [f"{'xy'[n % 2]},{n}.5,{'?' if n in (7, 9, 11) else 1.25}" for n in range(60)]
    spec = listed(tmp_path / "open.csv", rows)
    run = run_settings(open_data=spec, open_samples=500, label_column="kind")
    own = torch.rand(20, 2) * 60
    words = parse(spec).collection(run).words
    for _ in range(2):  # as read, and as kept
        told = open_set.beside(run, spec, tmp_path, "folder:mine", words, own)
        assert "the label is column kind, numbers are read of one, other" in told[0]
        assert told[1:] == (
            "open data: csv: 3 of 60 rows left out: 3 without a number in each column (line 9, "
            "line 11, line 13)",
            "open data: 57 samples, fewer than open-samples=500",
        )


def test_what_is_told_by_clients_of_their_own_source_is_not_told_again(
    run_settings: Settings, tmp_path: Path
) -> None:
    spec = listed(tmp_path / "open.csv", [f"{'xy'[n % 2]},{n}.5,1.25" for n in range(60)])
    run = run_settings(open_data=spec, data=spec, open_samples=20, label_column="kind")
    words = parse(spec).collection(run).words
    assert open_set.beside(run, spec, tmp_path, spec, words, torch.rand(20, 2) * 60) == ()


def test_values_of_another_scale_are_refused(run_settings: Settings, tmp_path: Path) -> None:
    spec = listed(tmp_path / "open.csv", [f"{'xy'[n % 2]},{n}.5,{n}.25" for n in range(60)])
    run = run_settings(open_data=spec, label_column="kind")
    words = parse(spec).collection(run).words
    with pytest.raises(
        DataError, match=r"on the scale of this client's own, readings from .*e\+05, "
    ):
        open_set.beside(run, spec, tmp_path, "folder:mine", words, 1e4 * (torch.rand(20, 2) + 50))


def test_columns_of_another_order_are_refused(run_settings: Settings, tmp_path: Path) -> None:
    rows = [f"{'xy'[n % 2]},{n}.5,{n}.25" for n in range(60)]
    spec = listed(tmp_path / "open.csv", rows)
    run = run_settings(open_data=spec, label_column="kind")
    (tmp_path / "own.csv").write_text("\n".join(["kind,other,one", *rows]))
    own = parse(f"csv:{tmp_path / 'own.csv'}").collection(run)
    inputs = own.read(torch.arange(60), 0).inputs
    with pytest.raises(DataError, match=r"expected columns of the same names in the same order"):
        open_set.beside(run, spec, tmp_path, "folder:mine", own.words, inputs)


def test_words_that_nobody_numbered_are_not_those_of_texts(
    run_settings: Settings, tmp_path: Path
) -> None:
    """Published tokens say nothing of which word is which number."""
    run = run_settings(open_data="sentences", text_length=8)
    tokens = torch.randint(2, 9000, (20, 8))
    with pytest.raises(DataError, match=r"expected words numbered as .* by sha256 unknown, got"):
        open_set.beside(run, "sentences", tmp_path, "pfllib:mine", "", tokens)


def test_too_few_open_samples_are_refused_with_what_was_left_out(
    run_settings: Settings, tmp_path: Path
) -> None:
    rows = ["x,one word,or two", *(f"{'xy'[n % 2]},,{n * ' '}" for n in range(9))]
    spec = listed(tmp_path / "open.csv", rows)
    run = run_settings(open_data=spec, label_column="kind", input_columns="one,other")
    with pytest.raises(DataError, match=r"at least 2 samples.*got 1; .*9 without a word"):
        open_set.load(run, spec, tmp_path)


def test_open_data_that_were_kept_without_notes_are_read_anew(
    run_settings: Settings, tmp_path: Path
) -> None:
    spec = listed(tmp_path / "open.csv", [f"{'xy'[n % 2]},{n}.5,1.25" for n in range(60)])
    run = run_settings(open_data=spec, data="folder:elsewhere", label_column="kind")
    before = open_set.load(run, spec, tmp_path)
    (kept,) = tmp_path.glob("open-*/labelled.safetensors")
    tensors, text = tensor_file.read(kept)
    tensor_file.write(kept, dict(tensors), {n: t for n, t in text.items() if n != "notes"})
    again = open_set.load(run, spec, tmp_path)
    assert torch.equal(again.inputs, before.inputs)
    assert "notes" in tensor_file.read(kept)[1]
