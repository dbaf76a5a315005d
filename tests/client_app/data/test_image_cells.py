import io

import pytest
import torch
from PIL import Image

from client_app.data import image_cells, images
from client_app.data.image_cells import NO_IMAGE, Cell
from strategies.common.errors import DataError


def _cell(value: int, mode: str = "L") -> Cell:
    buffer = io.BytesIO()
    Image.new(mode, (4, 4), (value,) * 3 if mode == "RGB" else value).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


NOTHING: Cell = {"bytes": None, "path": "/etc/hostname"}
DAMAGED: Cell = {"bytes": b"no", "path": None}


def test_cells_of_either_form_are_structs() -> None:
    assert image_cells.as_cells([b"x", None, {"bytes": b"y", "path": None}]) == [
        {"bytes": b"x", "path": None},
        {"bytes": None, "path": None},
        {"bytes": b"y", "path": None},
    ]


def test_images_that_cannot_be_decoded_are_left_out_and_counted() -> None:
    cells = [NOTHING, _cell(7), DAMAGED, _cell(9), _cell(300, "I;16")]
    names = [f"row {row}" for row in range(10, 15)]
    reading = image_cells.read(cells, names, 1, 2, "here")
    assert reading.kept.tolist() == [1, 3]
    assert torch.equal(reading.inputs, torch.tensor([[7], [9]]).view(2, 1, 1, 1).expand(2, 1, 2, 2))
    assert reading.left_out == {
        NO_IMAGE: ["row 10"],
        images.DAMAGED: ["row 12"],
        images.TOO_DEEP: ["row 14"],
    }


def test_where_none_can_be_decoded_the_reasons_are_told() -> None:
    with pytest.raises(DataError) as caught:
        image_cells.read([NOTHING, DAMAGED], ["row 3", "row 5"], 3, 0, "here")
    assert str(caught.value).startswith(
        "here: none of 2 images could be read: 1 without an image in the table (row 3), "
        "1 that cannot be decoded (row 5); "
    )


def test_the_first_that_can_be_decoded_tell_grey_from_colour() -> None:
    grey, red = _cell(5), _cell(5, "RGB")
    assert image_cells.channels([[NOTHING, grey, DAMAGED], [red]], "here") == 1
    assert image_cells.channels([[NOTHING, DAMAGED], [grey, red], [grey]], "here") == 3
    with pytest.raises(DataError, match=r"none of 2 images.*1 that cannot be decoded \(row 1\)"):
        image_cells.channels([[NOTHING], [DAMAGED]], "here")


def test_what_is_told_of_damaged_contents_names_no_place_in_memory() -> None:
    with pytest.raises(DataError, match=r"UnidentifiedImageError: cannot identify image file$"):
        images.decode(b"no")
