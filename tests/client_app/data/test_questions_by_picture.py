"""Whoever has learnt from questions about a picture is not tested on others about it."""

import io
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from client_app.data import kept_split, partition, prepared
from client_app.data.__main__ import main
from client_app.data.client_data import ClientData
from client_app.data.kept_split import TEST, TRAIN, Identity, KeptSplit, digest_of
from client_app.data.looked_at_once import forget_files
from client_app.devices.data_device import DataDevice
from client_app.node import NodeConfig
from strategies.common.errors import DataError
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]
SMALL = {"min_train_samples": 2, "min_test_samples": 1}
WORDS = ("is", "what", "how")


def encoded(value: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), value, dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def ask(place: Path, about: Mapping[str, int], words: Iterable[str] = WORDS) -> str:
    """Ask some questions about pictures, each of a shade."""
    place.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, value in about.items():
        (place / name).write_bytes(encoded(value, "BMP" if name.endswith("bmp") else "PNG"))
        for word in words:
            line = {"file_name": name, "question": f"{word} {name} ?", "answer": "yes"}
            lines.append(json.dumps(line))
    with (place / "metadata.jsonl").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    return f"vqa:{place.parent if place.name in ('train', 'test') else place}"


def shades(part: Samples) -> set[int]:
    return set(part.inputs[:, 0, 0, 0].tolist())


def sides(data: ClientData) -> dict[str, str]:
    parts = {"train": data.train, "test": data.test}
    return {asked: side for side, part in parts.items() for asked in part.questions}


@pytest.fixture
def load(tmp_path: Path, run_settings: Build) -> Callable[..., ClientData]:
    def of(spec: str, client: int = 0, clients: int = 1, **changes: object) -> ClientData:
        chosen = run_settings(**{**SMALL, **changes})
        return prepared.load(chosen, spec, client, clients, tmp_path / "prepared")

    return of


def test_a_folder_is_split_by_picture_and_copies_stay_together(
    load: Callable[..., ClientData], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about = {f"{value}.png": value for value in range(0, 200, 10)}
    copied = {"same.png": 0, "other.bmp": 10, "again.png": 0}
    spec = ask(tmp_path / "own", {**about, **copied})
    data = load(spec)
    # 69 questions about 20 pictures: the 17 to test on are rounded up to whole pictures.
    assert len(data.train) + len(data.test) == 69
    assert 17 <= len(data.test) <= 17 + 8
    assert not shades(data.train) & shades(data.test)
    assert data.notes == (
        f"{spec.replace(':', ' ', 1)}: 3 of 23 pictures are exact copies of others (same.png, "
        f"other.bmp, again.png)",
    )
    assert main([spec, *("--set=min-train-samples=2", "--set=min-test-samples=1")]) == 0
    told = capsys.readouterr().out
    counts = len(shades(data.train)), len(shades(data.test))
    assert f"pictures {counts[0]} to train on, {counts[1]} to test on" in told
    assert sum(counts) == 20
    assert "3 of 23 pictures are exact copies" in told


def test_new_questions_and_new_names_go_where_their_picture_is(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    own = tmp_path / "own"
    about = {f"{value}.png": value for value in range(0, 200, 10)}
    spec = ask(own, about, WORDS[:2])
    before = load(spec)
    train, test = shades(before.train), shades(before.test)
    # Another question about each, copies of each in another format, and a new one in two files.
    ask(own, about, WORDS[2:])
    ask(own, {f"x{value}.bmp": value for value in about.values()})
    ask(own, {"new.png": 250, "new.bmp": 250})
    after = load(spec)
    assert len(after.train) + len(after.test) == 3 * (20 + 20 + 2)
    assert (shades(after.train) - {250}, shades(after.test) - {250}) == (train, test)
    assert not shades(after.train) & shades(after.test)
    known = sides(before)
    assert {asked: side for asked, side in sides(after).items() if asked in known} == known
    # Only the copies are left, under yet other names.
    shutil.rmtree(own)
    ask(own, {f"y{value}.png": value for value in about.values()}, WORDS[2:])
    last = load(spec)
    assert (shades(last.train), shades(last.test)) == (train, test)


def test_a_picture_overwritten_by_what_is_learnt_from_is_not_tested_on(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    about = {f"{value}.png": value for value in range(0, 200, 10)}
    spec = ask(tmp_path / "own", about)
    before = load(spec)
    learnt, tested = min(shades(before.train)), sorted(shades(before.test))
    (tmp_path / "own" / f"{tested[0]}.png").write_bytes(encoded(learnt))
    # Another, which shows what nothing else shows, keeps its side.
    (tmp_path / "own" / f"{tested[1]}.png").write_bytes(encoded(255))
    after = load(spec)
    assert shades(after.train) == shades(before.train)
    assert shades(after.test) == {*tested[2:], 255}
    # Its questions are back where they were once the picture is.
    (tmp_path / "own" / f"{tested[0]}.png").write_bytes(encoded(tested[0]))
    assert sides(load(spec)) == sides(before)


def older(
    spec: str, words: Iterable[str], names: Iterable[str], settings: RunSettings
) -> KeptSplit:
    """Return a split as it was kept when questions were dealt one by one: in turn."""
    samples = [
        Identity(f"/{name}?{word} {name} ?", digest_of([name, f"{word} {name} ?", ["yes"]])[:32],
                 f"/{name}")
        for name in names for word in words
    ]  # fmt: skip
    dealt = [TEST if number % 4 == 3 else TRAIN for number in range(len(samples))]
    return KeptSplit.first(samples, dealt, [side == TRAIN for side in dealt])


def test_a_split_that_was_kept_before_is_honoured(
    load: Callable[..., ClientData], tmp_path: Path, run_settings: Build
) -> None:
    own, about = tmp_path / "own", {f"{value}.png": value for value in range(0, 200, 10)}
    spec = ask(own, about)
    load(spec)
    (path,) = (tmp_path / "splits").glob("*/0.safetensors")
    kept = older(spec, WORDS, about, run_settings())
    kept_split.write(path, kept)
    shutil.rmtree(tmp_path / "prepared")
    expected = [("train", "test")[seat.side == TEST] for seat in kept.seats]
    asked = [seat.sample.name.partition("?")[2] for seat in kept.seats]
    data = load(spec)
    assert sides(data) == dict(zip(asked, expected, strict=True))
    assert data.split == f"kept:{kept.name}"
    assert data.notes == (
        "vqa: 15 of 15 questions to test on are about pictures that are trained on, too",
    )
    # A picture all of whose questions were tested on, and others about it under other names.
    only = {"alone.png": 222}
    ask(own, only, WORDS[:1])
    samples = [seat.sample for seat in kept.seats]
    alone = Identity("/alone.png?is alone.png ?", "of it", "/alone.png")
    for side, name in ((TEST, "test"), (TRAIN, "train")):
        trained = [*(seat.side == TRAIN for seat in kept.seats), side == TRAIN]
        before = [*(seat.side for seat in kept.seats), side]
        kept_split.write(path, KeptSplit.first([*samples, alone], before, trained))
        (own / "metadata.jsonl").unlink()
        ask(own, about)
        ask(own, only, ("why", "where"))
        ask(own, {"alone.bmp": 222})
        found = {q: s for q, s in sides(load(spec)).items() if "alone" in q}
        assert set(found.values()) == {name}
        assert len(found) == 5


def table(place: Path, per_picture: int, pictures: int, shade: int = 0) -> str:
    """Write a table with several questions per picture, in two formats."""
    place.mkdir(exist_ok=True)
    rows = [(value, turn) for turn in range(per_picture) for value in range(pictures)]
    kinds = ("PNG", "BMP")
    columns = {
        "image": pa.array([encoded(v + shade, kinds[(v + t) % 2]) for v, t in rows], pa.binary()),
        "question": [f"{WORDS[(v + t) % 3]} is it, {t} ?" for v, t in rows],
        "answer": ["yes" if v % 3 else "no" for v, t in rows],
    }
    pq.write_table(pa.table(columns), place / "train.parquet", row_group_size=7)
    return f"vqa-parquet:{place}"


@pytest.mark.parametrize("kind", ["iid", "dirichlet", "pathological", "shards"])
def test_a_table_is_dealt_by_picture(
    load: Callable[..., ClientData], tmp_path: Path, kind: str
) -> None:
    spec = table(tmp_path / "table", per_picture=4, pictures=60)
    asked: set[int] = set()
    for client in range(3):
        data = load(spec, client, 3, partition=kind, dirichlet_alpha=5.0)
        own = shades(data.train), shades(data.test)
        assert not own[0] & own[1]
        assert not (own[0] | own[1]) & asked
        asked |= own[0] | own[1]
        # All questions about a picture that is held at all.
        assert len(data.train) + len(data.test) == 4 * len(own[0] | own[1])
    if kind in ("iid", "dirichlet"):
        assert len(asked) == 60


def test_pictures_are_looked_at_once_for_all_clients(
    load: Callable[..., ClientData], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = table(tmp_path / "table", per_picture=3, pictures=24)
    settled = []
    deal = partition._deal_together

    def counted(*arguments: object) -> object:
        settled.append(deal(*arguments))  # type: ignore[arg-type]
        return settled[-1]

    monkeypatch.setattr(partition, "_deal_together", counted)
    found = [load(spec, client, 2, partition="iid") for client in (0, 1)]
    assert len(settled) == 1
    # What devices compare says which questions are about one picture.
    assert found[0].dealt == found[1].dealt
    other = table(tmp_path / "other", per_picture=1, pictures=72)
    assert load(other, 0, 2, partition="iid").dealt != found[0].dealt


def test_other_pictures_under_the_same_questions_are_another_deal(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    splits = []
    for shade in (0, 1, 0):
        forget_files()
        spec = table(tmp_path / "table", per_picture=2, pictures=24, shade=shade)
        splits.append(load(spec, 0, 2, partition="iid").split)
    assert splits[0] == splits[2] != splits[1]


def test_too_few_pictures_are_named(load: Callable[..., ClientData], tmp_path: Path) -> None:
    spec = table(tmp_path / "table", per_picture=20, pictures=5)
    told = r"3 clients with at least 2 pictures of 20 questions each need 6 pictures, got 5"
    with pytest.raises(DataError, match=told):
        load(spec, 0, 3, partition="iid")
    one = ask(tmp_path / "own", {"only.png": 3}, [*WORDS, "why", "where"])
    with pytest.raises(DataError, match=r"got 5 and 0; add questions, and about more pictures"):
        load(one)


def test_a_published_split_counts_and_shared_pictures_are_told(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    ask(tmp_path / "own" / "train", {f"{value}.png": value for value in range(10)})
    spec = ask(tmp_path / "own" / "test", {"a.bmp": 3, "b.png": 100, "c.png": 101})
    for _ in range(2):
        data = load(spec)
        assert (shades(data.train), shades(data.test)) == (set(range(10)), {3, 100, 101})
        assert data.notes == (
            f"vqa {spec.removeprefix('vqa:')}: 1 of 13 pictures are exact copies of others "
            f"(test/a.bmp)",
            "vqa: 3 of 9 questions to test on are about pictures that are trained on, too",
        )
        # A question more about each is no reason to deal anew.
        ask(tmp_path / "own" / "test", {"b.png": 100}, ())


class Asking(DataDevice):
    """A device without a model, which is not needed to say what is held out."""

    asks_questions = True
    model_name, image_size, task = "none", 0, None


def test_no_picture_is_both_learnt_from_and_held_out(tmp_path: Path, run_settings: Build) -> None:
    own = ask(tmp_path / "own", {f"{value}.png": value for value in range(40)})
    node = NodeConfig(partition_id=0, num_partitions=1, state_dir=str(tmp_path))
    changed = {**SMALL, "validation_share": 0.3, "device": "cpu", "models": "cnn"}

    def parted(spec: str) -> tuple[set[int], set[int]]:
        chosen = run_settings(
            **changed, data=spec, state_dir=str(tmp_path), partition="iid", test_fraction=0.25
        )
        device = Asking(node, chosen, 1)
        return shades(device.train), shades(device.validating().test)

    for spec in (own, table(tmp_path / "table", per_picture=3, pictures=40)):
        learnt, held_out = parted(spec)
        assert (len(learnt), len(held_out)) == (21, 9)
        assert not learnt & held_out
    learnt, held_out = parted(own)
    # What comes later, questions and copies, goes where its picture is.
    ask(tmp_path / "own", {f"x{value}.bmp": value for value in range(40)}, WORDS[:1])
    ask(tmp_path / "own", {f"z{value}.png": value for value in range(100, 130)})
    (tmp_path / "own" / "metadata.jsonl").write_text(
        "".join(
            line
            for line in (tmp_path / "own" / "metadata.jsonl").read_text().splitlines(True)
            # The first questions about some are gone.
            if not line.startswith('{"file_name": "1')
        )
    )
    later = parted(own)
    assert not later[0] & later[1]
    assert {value for value in later[0] if value < 40} == learnt
    assert {value for value in later[1] if value < 40} == held_out
    assert len(later[1]) > len(held_out)
