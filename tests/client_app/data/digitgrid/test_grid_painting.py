import torch

from client_app.data.digitgrid import painting
from client_app.data.digitgrid.grids import COLOURS, Grids
from client_app.data.digitgrid.handwriting import Handwriting


def test_each_cell_is_its_digit_in_its_tint() -> None:
    # Four "digits" of one shade each: full ink, none, a fifth, and only the top row.
    ink = torch.zeros(4, 16, 16, dtype=torch.uint8)
    ink[0] = 255
    ink[2] = 51
    ink[3, 0] = 255
    sheet = Handwriting(ink, torch.arange(4))
    grid = Grids(
        torch.tensor([[0, 1, 2, 3]]), torch.tensor([[0, 1, 2, 3]]), torch.tensor([[0, 1, 2, 3]])
    )
    picture = painting.paint(grid, sheet)
    assert picture.shape == (1, 3, 32, 32)
    assert picture.dtype == torch.uint8
    top_left, top_right = picture[0, :, :16, :16], picture[0, :, :16, 16:]
    bottom_left, bottom_right = picture[0, :, 16:, :16], picture[0, :, 16:, 16:]
    assert top_left.unique(dim=1).squeeze().unique(dim=-1).flatten().tolist() == [255, 60, 60]
    assert top_right.sum() == 0
    # A fifth of green, (50, 215, 80).
    assert bottom_left[:, 7, 9].tolist() == [10, 43, 16]
    assert bottom_right[:, 0, 5].tolist() == [80, 125, 255]
    assert bottom_right[:, 1:].sum() == 0


def test_there_is_a_tint_for_each_colour_and_they_are_far_apart() -> None:
    tints = torch.tensor(painting.TINTS, dtype=torch.float32)
    assert len(tints) == len(COLOURS)
    assert torch.pdist(tints).min() > 100


def test_no_pictures() -> None:
    none = torch.zeros(0, 4, dtype=torch.int64)
    sheet = Handwriting(torch.zeros(1, 16, 16, dtype=torch.uint8), torch.zeros(1).long())
    assert painting.paint(Grids(none, none, none), sheet).shape == (0, 3, 32, 32)
