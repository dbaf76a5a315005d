"""Every file in a data folder is used, or counted with its reason; and none moves another."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from client_app.data import folder, kept_split, left_out, prepared
from client_app.data.client_data import ClientData
from client_app.data.fingerprint import fingerprint
from client_app.data.kept_split import UNREAD
from client_app.data.sources import Source
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]
SMALL = {"min_train_samples": 2, "min_test_samples": 1, "image_size": 2}

ACCENTS = ["e\u0301t\u00e9", "\u00e9te\u0301", "cats/caf\udce9"]
FOLDERS = ["cats", "dogs", *ACCENTS, ".git", "cats/2021", "dogs/.old/x", ""]
SUFFIXES = [".png", ".PNG", ".jfif", ".jpg", ".avif", ".heic", ".txt", "", ".gif", ".webp", ".tiff"]
STEMS = ["a", "b", "c\u0301", "\u0107", "\udcff", ".h", "d.e"]
KINDS = ["RGB", "L", "P", "RGBA", "1", "CMYK", "I;16", "broken", "empty"]
files = st.dictionaries(
    st.tuples(st.sampled_from(FOLDERS), st.sampled_from(STEMS), st.sampled_from(SUFFIXES)),
    st.tuples(st.sampled_from(KINDS), st.integers(0, 255), st.integers(1, 3)),
    max_size=24,
)


def write(path: Path, kind: str, shade: int, side: int) -> None:
    """Write an image in a format that holds its mode, whatever the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind in ("broken", "empty"):
        path.write_bytes(b"\xff\xd8 broken"[: 9 * (kind == "broken")])
    elif kind == "I;16":
        Image.fromarray(np.full((side, side), 200 * shade, dtype=np.uint16)).save(path, "PNG")
    else:
        image = Image.new("RGB", (side, side + 1), (shade, 7, side)).convert(kind)
        image.save(path, "TIFF" if kind == "CMYK" else "PNG")


def load(place: Path, run_settings: Build, cache: Path) -> ClientData | str:
    """Return the data, or what was refused."""
    try:
        return prepared.load(run_settings(**SMALL), f"folder:{place}", 0, 1, cache)
    except DataError as error:
        return str(error)


def check_count(place: Path, found: ClientData | str) -> None:
    there = sum(len(names) for _, _, names in os.walk(place))
    if isinstance(found, str):
        # No image at all, too few, or fewer than it takes; whatever it is, it can be told.
        found.encode()
        return
    for text in (*found.notes, *found.class_names):
        text.encode()
    told = re.search(r"folder: (\d+) of (\d+) files left out: (.*)", "\n".join(found.notes))
    omitted = int(told[1]) if told else 0
    assert len(found.train) + len(found.test) + omitted == there
    if told:
        assert int(told[2]) == there
        # The reasons add up to it, each with a name.
        assert sum(map(int, re.findall(r"(?:^|\), )(\d+) [a-z]", told[3]))) == omitted


def sides(cache: Path) -> dict[tuple[str, str], int]:
    found = {}
    for path in cache.with_name("splits").glob("*/0.safetensors"):
        kept = kept_split.read(path)
        assert kept is not None
        found |= {
            (seat.sample.name, seat.sample.digest): seat.side
            for seat in kept.seats
            if seat.side != UNREAD
        }
    return found


@given(begun=files, more=files, gone=st.integers(1, 5))
@settings(max_examples=15, deadline=None)
def test_used_and_left_out_are_all_there_are_and_nobody_moves(
    run_settings: Build,
    begun: dict[tuple[str, str, str], tuple[str, int, int]],
    more: dict[tuple[str, str, str], tuple[str, int, int]],
    gone: int,
) -> None:
    with TemporaryDirectory() as home:
        place, cache = Path(home) / "own", Path(home) / "prepared"
        for name in ("cats", "empty"):
            (place / name).mkdir(parents=True)
        for number in range(4):
            write(place / "cats" / f"{number}.png", "RGB", number, 2)
        for (inside, stem, suffix), what in begun.items():
            write(place / inside / f"{stem}{suffix}", *what)
        check_count(place, load(place, run_settings, cache))
        before = sides(cache)
        for number, ((inside, stem, suffix), what) in enumerate(more.items()):
            path = place / inside / f"{stem}{suffix}"
            if not path.exists():
                write(path, *what)
            elif number % gone == 0:
                path.unlink()
        check_count(place, load(place, run_settings, cache))
        after = sides(cache)
        assert {key: after[key] for key in before.keys() & after.keys()} == {
            key: before[key] for key in before.keys() & after.keys()
        }


def test_forty_of_forty_eight(tmp_path: Path, run_settings: Build) -> None:
    place = tmp_path / "own"
    for number in range(8):
        write(place / "ab"[number % 2] / f"{number}.png", "L", 30 * number, 2)
    for number in range(38):
        write(place / "a" / "2021" / f"{number:02}.png", "L", number, 2)
    for name in ("x", "y"):
        write(place / "b" / f"{name}.png", "I;16", 9, 2)
    found = load(place, run_settings, tmp_path / "prepared")
    assert isinstance(found, ClientData)
    assert found.notes == (
        "folder: 40 of 48 files left out: 38 deeper than one level (a/2021/00.png, a/2021/01.png, "
        "a/2021/02.png, ...), 2 with 16 or more bits per channel (b/x.png, b/y.png)",
    )
    assert len(found.train) + len(found.test) == 8


def test_jpegs_under_another_name_are_read_and_hidden_and_stray_files_counted(
    tmp_path: Path,
) -> None:
    for name in ("a/1.jfif", "a/2.JPE", "b/3.jpeg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4), (9, 9, 9)).save(path, "JPEG")
    for name in ("a/.hidden.png", "README.md", "a/notes.txt", "b/4.heic"):
        (tmp_path / name).write_text("x")
    (tmp_path / "a" / "nowhere.png").symlink_to(tmp_path / "missing")
    (tmp_path / "classes.txt").write_text("a\nb\n")
    listing = folder.listed(tmp_path)
    assert [path.name for path in listing.paths] == ["1.jfif", "2.JPE", "3.jpeg"]
    assert listing.total == 8
    assert dict(listing.left_out) == {
        "beside the class folders": ["README.md"],
        "hidden": ["a/.hidden.png"],
        "no regular files or not to be opened": ["a/nowhere.png"],
        "of no format that is read here": ["a/notes.txt", "b/4.heic"],
    }


def test_every_file_and_every_class_folder_is_in_the_caches_key(
    tmp_path: Path, run_settings: Build
) -> None:
    write(tmp_path / "a" / "1.png", "L", 1, 2)
    chosen, source = run_settings(), Source("folder", str(tmp_path))
    seen = {fingerprint(chosen, source, 0, 1)}
    changes: tuple[Callable[[], object], ...] = (
        (tmp_path / "b").mkdir,
        lambda: (tmp_path / "a" / "x.txt").write_text("x"),
        lambda: (tmp_path / "a" / "gone.png").symlink_to("nowhere"),
        lambda: write(tmp_path / "a" / "2021" / "x.png", "L", 1, 1),
        lambda: (tmp_path / "classes.txt").write_text("a\nb"),
    )
    for count, change in enumerate(changes, start=2):
        change()
        seen.add(fingerprint(chosen, source, 0, 1))
        assert len(seen) == count
    # The same folder from elsewhere is the same, and a copy is another.
    assert fingerprint(chosen, Source("folder", f"{tmp_path}/a/.."), 0, 1) in seen
    shutil.copytree(tmp_path, tmp_path.with_name("copy"), symlinks=True)
    assert fingerprint(chosen, Source("folder", f"{tmp_path}/../copy"), 0, 1) not in seen


def test_where_there_is_nothing_to_read_it_is_told_what_there_is(tmp_path: Path) -> None:
    write(tmp_path / "a" / "2021" / "1.png", "L", 1, 2)
    with pytest.raises(DataError, match=r"found none: 1 deeper than one level \(a/2021/1.png\)"):
        folder.files(tmp_path)


def test_a_reckoning_is_one_sentence() -> None:
    found = left_out.merged({"hidden": ["a"]}, {}, {"hidden": ["b"], "torn": []})
    assert left_out.told("x", found, 5) == ("x: 2 of 5 files left out: 2 hidden (a, b)",)
    assert left_out.told("x", {"torn": []}, 5) == ()
    (long,) = left_out.told("x", {"hidden": ["n" * 300, "\x1b[2J\udcff"]}, 9)
    assert len(long) < 200
    assert "\\x1b[2J\\xff" in long
