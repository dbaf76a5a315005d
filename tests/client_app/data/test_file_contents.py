"""What files hold tells them apart, not what they are called and how large they are."""

import os
import shutil
from pathlib import Path

import pytest

from client_app.data import file_contents
from client_app.data.file_contents import contents_of


def write(folder: Path, *contents: bytes) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.bin" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def test_it_is_one_on_all_devices_and_follows_bytes_in_their_order(tmp_path: Path) -> None:
    here = contents_of(write(tmp_path / "here", b"ab", b"cd"), tmp_path / "a")
    there = write(tmp_path / "there", b"ab", b"cd")
    os.utime(there[0], (1, 1))
    assert contents_of(there, tmp_path / "b") == here
    assert contents_of(write(tmp_path / "other", b"ac", b"cd"), tmp_path / "c") != here
    assert contents_of(write(tmp_path / "turned", b"cd", b"ab"), tmp_path / "d") != here


def test_bytes_are_read_once_for_each_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    digest = file_contents._digest
    monkeypatch.setattr(file_contents, "_digest", lambda path: read.append(path) or digest(path))
    paths, remembered = write(tmp_path / "own", b"ab", b"cd"), tmp_path / "kept" / "files"
    first = contents_of(paths, remembered)
    assert contents_of(paths, remembered) == first
    assert read == paths
    paths[1].write_bytes(b"ce")
    os.utime(paths[1], ns=(1, 1))
    assert contents_of(paths, remembered) != first
    assert read == paths * 2
    # What is damaged is made again.
    remembered.write_bytes(b"damaged")
    assert contents_of(write(tmp_path / "own", b"ab", b"cd"), remembered) == first


def test_files_that_change_places_and_keep_their_times_are_noticed(tmp_path: Path) -> None:
    paths, remembered = write(tmp_path / "own", b"ab", b"cd"), tmp_path / "files"
    for path in paths:
        os.utime(path, (1, 1))
    first = contents_of(paths, remembered)
    aside = tmp_path / "aside"
    shutil.move(paths[0], aside)
    shutil.move(paths[1], paths[0])
    shutil.move(aside, paths[1])
    assert contents_of(paths, remembered) != first


def test_a_file_that_cannot_be_opened_counts_as_such(tmp_path: Path) -> None:
    paths = write(tmp_path / "own", b"ab", b"cd")
    whole = contents_of(paths, tmp_path / "files")
    paths[1].unlink()
    assert contents_of(paths, tmp_path / "files") not in ("", whole)
