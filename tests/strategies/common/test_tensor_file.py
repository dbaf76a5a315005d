"""Files of tensors are written whole or not at all, and damage never goes unnoticed."""

import os
import resource
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from strategies.common import tensor_file
from strategies.common.errors import StoreError

TEXT = {"round": "3", "note": "Grüße = ; { }"}


def tensors() -> dict[str, Tensor]:
    return {
        "float": torch.tensor([[1.5, -2.0, 0.0]]),
        "half": torch.tensor([0.5, 2.0]).half(),
        "bfloat": torch.tensor([0.5, 3.0]).bfloat16(),
        "count": torch.tensor(4),
        "flags": torch.tensor([True, False]),
        "pixels": torch.arange(6, dtype=torch.uint8).reshape(3, 2),
        "none": torch.zeros(0, 5),
    }


def same(found: dict[str, Tensor], sent: dict[str, Tensor]) -> bool:
    return set(found) == set(sent) and all(
        found[k].dtype == v.dtype and found[k].shape == v.shape and torch.equal(found[k], v)
        for k, v in sent.items()
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "state.safetensors"
    tensor_file.write(path, tensors(), TEXT)
    found, text = tensor_file.read(path)
    assert same(found, tensors())
    assert text == TEXT
    assert list(path.parent.iterdir()) == [path]


def test_nothing_is_a_valid_content(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    tensor_file.write(path, {}, {})
    assert tensor_file.read(path) == ({}, {})


def test_a_new_file_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "state"
    tensor_file.write(path, {"x": torch.zeros(3)}, {"round": "1"})
    tensor_file.write(path, {"y": torch.ones(2)}, {"round": "2"})
    found, text = tensor_file.read(path)
    assert same(found, {"y": torch.ones(2)})
    assert text == {"round": "2"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tensor_file") / "state"
    tensor_file.write(path, tensors(), TEXT)
    return path


def check_damage(path: Path, blob: bytes) -> None:
    """Either the damage is found, or it is none."""
    damaged = path.with_name("damaged")
    damaged.write_bytes(blob)
    try:
        found, text = tensor_file.read(damaged)
    except StoreError:
        return
    assert same(found, tensors())
    assert text == TEXT


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.integers(min_value=0), flip=st.integers(1, 255))
def test_a_changed_byte_is_found_anywhere(written: Path, place: int, flip: int) -> None:
    blob = bytearray(written.read_bytes())
    blob[place % len(blob)] ^= flip
    check_damage(written, bytes(blob))


def test_every_single_flipped_bit_of_the_header_is_found(written: Path) -> None:
    blob = written.read_bytes()
    (length,) = struct.unpack("<Q", blob[:8])
    for place in range(8 + length):
        changed = bytearray(blob)
        changed[place] ^= 1 << place % 8
        check_damage(written, bytes(changed))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"F32","shape":[1,3]', b'"I32","shape":[1,3]'),
        (b'"F32","shape":[1,3]', b'"F32","shape":[3,1]'),
        (b'"F16"', b'"I16"'),
        (b'"F32","shape":[0,5]', b'"F32","shape":[0,4]'),
        (b'"F32","shape":[0,5]', b'"F16","shape":[0,5]'),
        (b'"round":"3"', b'"round":"4"'),
        (b'"pixels"', b'"pixelz"'),
    ],
)
def test_the_same_bytes_under_another_name_dtype_or_shape_are_damage(
    written: Path, old: bytes, new: bytes
) -> None:
    blob = written.read_bytes()
    assert blob.count(old) == 1
    damaged = written.with_name("relabelled")
    damaged.write_bytes(blob.replace(old, new))
    with pytest.raises(StoreError, match="match their checksum; it is damaged"):
        tensor_file.read(damaged)


def test_a_truncated_file_is_found_at_every_length(written: Path) -> None:
    blob = written.read_bytes()
    short = written.with_name("short")
    for length in range(0, len(blob), 3):
        short.write_bytes(blob[:length])
        with pytest.raises(StoreError, match="expected a readable tensor file"):
            tensor_file.read(short)


def test_a_file_without_a_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign"
    safetensors.torch.save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(StoreError, match="match their checksum"):
        tensor_file.read(path)


@pytest.mark.parametrize("name", ["missing", "folder", "file/below", "no/such/folder"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="expected a readable tensor file") as caught:
        tensor_file.read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", ["file/state", "file/deeper/state"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    """Below a regular file; permissions would not stop a test that runs as root."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"cannot be written .* make the folder writable"):
        tensor_file.write(tmp_path / name, tensors(), TEXT)
    assert (tmp_path / "file").read_text() == "x"


def test_a_folder_in_the_files_place_is_no_reason_to_leave_anything(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        tensor_file.write(tmp_path / "state", tensors(), TEXT)
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("steps", [("fsync",), ("replace", "rename")])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: tuple[str, ...]
) -> None:
    path = tmp_path / "state"
    tensor_file.write(path, tensors(), TEXT)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        for step in steps:
            patch.setattr(os, step, full)
        with pytest.raises(StoreError, match=r"\(No space left on device\); .* free space"):
            tensor_file.write(path, {"x": torch.ones(1)}, {})
    found, text = tensor_file.read(path)
    assert same(found, tensors())
    assert text == TEXT
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_stops_in_the_middle_leaves_the_old_file_and_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state"
    tensor_file.write(path, tensors(), TEXT)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    try:
        with pytest.raises(StoreError, match=r"cannot be written \(.*File too large.* free space"):
            tensor_file.write(path, {"x": torch.ones(64 * 1024)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    found, _ = tensor_file.read(path)
    assert same(found, tensors())
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_flushed_before_it_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state"
    flushed: list[bool] = []
    flush = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (flushed.append(path.exists()), flush(fd)))
    tensor_file.write(path, tensors(), TEXT)
    # First the contents under a temporary name, then the folder that holds the new name.
    assert flushed == [False, True]


def test_what_is_synced_later_is_flushed_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flushed, flush = tmp_path / "state", [], os.fsync

    def noted(handle: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{handle}").resolve())
        flush(handle)

    monkeypatch.setattr(os, "fsync", noted)
    with tensor_file.synced_later() as written:
        tensor_file.write(path, tensors(), TEXT)
    assert (written, flushed) == ([path], [])
    assert same(tensor_file.read(path)[0], tensors())
    tensor_file.sync(path)
    assert flushed == [path, tmp_path]
    tensor_file.write(path, tensors(), TEXT)
    assert len(flushed) == 4


def test_a_disk_that_refuses_later_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with tensor_file.synced_later():
        tensor_file.write(tmp_path / "state", tensors(), TEXT)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"state: .*\(No space left on device\); .* free space"):
        tensor_file.sync(tmp_path / "state")


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_files_and_folders_are_their_owners_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        tensor_file.write(tmp_path / "state" / "run" / "0" / "x.safetensors", {}, {})
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"state": 0o700, "run": 0o700, "0": 0o700, "x.safetensors": 0o600}
