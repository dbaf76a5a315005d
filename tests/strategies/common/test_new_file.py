"""Places that commands write to: asked before the work, and never somebody else's file."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from client_app.data.__main__ import main as look
from client_app.new_folder import free_place
from generators import __main__ as generators
from generators.preview import write_sheet
from generators.stylegan import __main__ as stylegan
from strategies.common.errors import NectarError, StoreError
from strategies.common.new_file import mark, require_picture_place, require_place
from taressfl import __main__ as pretrain_front


def never(*_: object, **__: object) -> None:
    raise AssertionError("the work began")


def test_a_place_that_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    require_place("--out", tmp_path / "new.bin")
    (tmp_path / "old.bin").write_text("kept")
    require_place("--out", tmp_path / "old.bin", replace=True)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("old.bin", "kept")]


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for place, told in (
        (tmp_path, r"--out: expected a file to write, got the folder"),
        (tmp_path / "none" / "new", r"--out: expected an existing folder, got .*none"),
        (tmp_path / "file" / "new", r"--out: expected an existing folder, got .*file"),
        (tmp_path / "file", r"--out: expected a new file, got .*exists already"),
        (tmp_path / "link", r"--out: expected a new file, got .*exists already"),
        # Nobody can make a file there, not even its owner.
        (Path("/proc/new"), r"--out: /proc/new cannot be written \(.*name a file in"),
        (tmp_path / ("n" * 300), r"--out: .*cannot be written"),
    ):
        with pytest.raises(StoreError, match=told):
            require_place("--out", place)


def test_a_picture_is_replaced_where_it_was_drawn_here(tmp_path: Path) -> None:
    place = tmp_path / "sheet.png"
    write_sheet([torch.zeros(1, 3, 8, 8, dtype=torch.uint8)], place)
    require_picture_place("--out", place)
    Image.new("RGB", (8, 8)).save(place)
    with pytest.raises(StoreError, match="exists already"):
        require_picture_place("--out", place)
    Image.new("RGB", (800, 800), "red").save(place, pnginfo=mark())
    require_picture_place("--out", place)


def test_every_command_asks_before_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (8, 8)).save(photo)
    held = photo.read_bytes()
    monkeypatch.setattr(generators, "build", never)
    monkeypatch.setattr(stylegan, "convert", never)
    monkeypatch.setattr(pretrain_front, "open_pool", never)
    monkeypatch.setattr("client_app.data.__main__.look", never)
    for out in (photo, Path("/proc/new.png")):
        for status, command in (
            (2, lambda out: generators.main(["preview", "oriented", f"--out={out}"])),
            (2, lambda out: stylegan.main(["convert", "in.pkl", str(out)])),
            (
                pretrain_front.REFUSED,
                lambda out: pretrain_front.main(
                    ["--data=digits", "--auxiliary=digits", f"--out={out}"]
                ),
            ),
            (1, lambda out: look(["digits", f"--sheet={out}"])),
        ):
            assert command(out) == status
            told = " ".join(capsys.readouterr().err.split())
            assert "exists already" in told or "cannot be written" in told
    assert photo.read_bytes() == held


def test_a_new_folder_is_refused_where_none_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (Path("/proc/new/folder"), tmp_path / "file" / "folder"):
        with pytest.raises(NectarError, match=r"--out .*cannot be written"):
            free_place(place)
    assert free_place(tmp_path / "deep" / "folder") == tmp_path / "deep" / "folder"
    assert not (tmp_path / "deep").exists()
