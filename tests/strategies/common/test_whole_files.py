"""What commands write stands there whole or not at all, whatever ends them."""

import errno
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from PIL import Image

from client_app.data import __main__ as look
from generators.preview import write_sheet
from generators.stylegan import safetensors_file
from generators.stylegan.safetensors_file import Description
from local_federation import alone, examples
from server_app.report.document import write_whole
from strategies.common.errors import NectarError, StoreError
from strategies.common.new_file import whole, whole_picture

PIXELS = torch.zeros(3, 4, 4, dtype=torch.uint8)


def killed(path: Path) -> None:
    with whole(path) as file:
        file.write_text("ha")
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("before", ["earlier", None])
def test_who_is_killed_leaves_what_was_there_and_the_next_one_tidies_up(
    tmp_path: Path, before: str | None
) -> None:
    path = tmp_path / "picture.png"
    if before:
        path.write_text(before)
    process = multiprocessing.get_context("fork").Process(target=killed, args=(path,))
    process.start()
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGKILL
    assert (path.read_text() if path.exists() else None) == before
    assert not (set(tmp_path.iterdir()) - {path, tmp_path / ".picture.png.tmp"})
    with whole(path) as file:
        file.write_text("half")
    assert path.read_text() == "half"
    assert [*tmp_path.iterdir()] == [path]


def test_what_is_raised_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / ".page.html.tmp").write_text("of one that was killed")
    with pytest.raises(ZeroDivisionError), whole(tmp_path / "page.html") as file:
        file.write_text(str(1 / 0))
    assert [*tmp_path.iterdir()] == []


def test_a_link_stays_one_and_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole(tmp_path / "link") as file:
        file.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    with whole(Path("/dev/null")) as file:
        assert file == Path("/dev/null")


def test_two_who_write_one_file_at_once_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "found.csv"
    with whole(path) as first, first.open("w") as rows:
        rows.write("a")
        rows.flush()
        with whole(path) as second:
            second.write_text("of the second")
        assert path.read_text() == "of the second"
        rows.write("b")
    assert path.read_text() == "ab"
    assert [*tmp_path.iterdir()] == [path]


def test_of_two_who_may_replace_nothing_the_second_learns_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "found.csv"
    with whole(path, replace=False) as first:
        first.write_text("of the first")
        with (
            pytest.raises(StoreError, match=r"found\.csv: another process is writing this file"),
            whole(path, replace=False),
        ):
            pass
    with pytest.raises(StoreError, match="expected a new file"), whole(path, replace=False):
        pass
    assert path.read_text() == "of the first"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("yields", [lambda path: whole(path, replace=False), whole_picture])
def test_what_came_meanwhile_is_not_replaced(
    tmp_path: Path, yields: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    path = tmp_path / "sheet.png"

    def write_both() -> None:
        with yields(path) as file:
            file.write_text("ours")
            path.write_text("somebody's")

    with pytest.raises(StoreError, match="expected a new file"):
        write_both()
    assert path.read_text() == "somebody's"
    assert [*tmp_path.iterdir()] == [path]


def _examples(path: Path) -> None:
    examples._draw(PIXELS, path)


def _sheet(path: Path) -> None:
    look._save(Any, path)  # type: ignore[arg-type]


def _stylegan(path: Path) -> None:
    class Config:
        def model_dump_json(self) -> str:
            return "{}"

    tensors = {"weight": torch.zeros(2)}
    safetensors_file.write(Description(Config(), tensors), path)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_sheet([PIXELS[None]], path),
        _examples,
        _sheet,
        _stylegan,
        lambda path: write_whole(path, "page"),
        lambda path: alone.save((), alone.RawBaseline(0.5, 0.5), path.parent),
    ],
    ids=["preview", "examples", "sheet", "stylegan", "page", "baselines"],
)
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    def half(path: Path) -> NoReturn:
        with path.open("wb") as file:
            file.write(b"ha")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", lambda _, path, *__, **___: half(Path(path)))
    monkeypatch.setattr(Path, "write_text", lambda path, *_, **__: half(path))
    monkeypatch.setattr(safetensors_file, "save_file", lambda _, path, __: half(Path(path)))
    monkeypatch.setattr(look.sheet, "draw", lambda _: Image.new("RGB", (2, 2)))
    held = {tmp_path / name: b"earlier" for name in ("out", alone.FILE, alone.RAW_FILE)}
    for path, content in held.items():
        path.write_bytes(content)
    with pytest.raises((OSError, NectarError)):
        write(tmp_path / "out")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == held
