import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from client_app.data.vqa import pictures
from strategies.common.errors import DataError


def _png(value: int, size: tuple[int, ...] = (4, 6, 3)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full(size, value, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_pictures_of_all_sizes_become_square_and_coloured() -> None:
    reading = pictures.read([("a", _png(7)), ("b", _png(9, (3, 3)))], 8, "here")
    assert reading.inputs.shape == (2, 3, 8, 8)
    assert reading.inputs.dtype == torch.uint8
    assert reading.inputs[:, :, 0, 0].tolist() == [[7, 7, 7], [9, 9, 9]]
    assert reading.kept.tolist() == [0, 1]
    assert reading.notes == ()


def test_what_cannot_be_read_is_skipped_and_counted_once() -> None:
    named = [("a", b"broken"), ("b", _png(1)), ("c", None), ("a", b"broken"), ("b", _png(1))]
    reading = pictures.read(named, 4, "here")
    assert reading.kept.tolist() == [1, 4]
    assert len(reading.inputs) == 2
    assert reading.notes == ("here: 2 of 3 images could not be read and were skipped: a, c",)


def test_pictures_are_the_same_if_they_show_the_same(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(_png(7))) as image:
        image.save(buffer, "BMP")
    (tmp_path / "a.png").write_bytes(_png(7))
    named = [
        *(("a", _png(7)), ("b", buffer.getvalue()), ("c", tmp_path / "a.png")),
        ("grey", _png(7, (4, 6))),
        *(("turned", _png(7, (6, 4, 3))), ("other", _png(8))),
        # Nothing is known of these but what they are made of or called.
        *(("x", b"broken"), ("y", b"broken"), ("none", None), ("nowhere", tmp_path / "b.png")),
    ]  # fmt: skip
    found = pictures.digests(named)
    assert [found.index(one) for one in found] == [0, 0, 0, 0, 4, 5, 6, 6, 8, 9]
    # A name stands for one picture.
    assert len(set(pictures.digests([("a", _png(1)), ("a", _png(1))]))) == 1


def test_many_are_not_all_named() -> None:
    named = [("x", _png(1)), *((f"n{k}", b"") for k in range(7))]
    (note,) = pictures.read(named, 4, "here").notes
    assert note.endswith("7 of 8 images could not be read and were skipped: n0, n1, n2, n3, n4 "
                         "and 2 more")  # fmt: skip


def test_a_shared_picture_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    decode = pictures.images.decode

    def counted(source: bytes, channels: int | None = None) -> torch.Tensor:
        decoded.append(source)
        return decode(source, channels)

    monkeypatch.setattr(pictures.images, "decode", counted)
    pictures.read([("a", _png(1)), ("a", _png(1)), ("b", _png(2))], 4, "here")
    assert len(decoded) == 2


def test_none_at_all() -> None:
    assert pictures.read([], 4, "here").inputs.shape == (0, 3, 4, 4)
    with pytest.raises(DataError, match=r"here: none of the 1 images could be read, e.g. a"):
        pictures.read([("a", b""), ("a", b"")], 4, "here")


def test_unlike_sizes_need_a_side() -> None:
    with pytest.raises(DataError, match="here: expected images of one size"):
        pictures.read([("a", _png(1)), ("b", _png(1, (5, 5)))], 0, "here")
