from pathlib import Path

import pytest
import torch
from federations.tiny_federations import tiny

from strategies.common.knowledge_pictures import points_picture, table_pictures


def test_a_table_has_a_row_for_each_class_that_anyone_holds() -> None:
    rows = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.25, 0.25]])
    (picture,) = table_pictures("outputs", rows, torch.tensor([1, 0]), 3)
    drawn = picture.pixels
    assert picture.name == "outputs"
    assert drawn.shape == (3, 3, 3)
    # Black is 0; what nobody holds stays white.
    assert drawn[0].tolist() == [[128, 191, 191], [255, 0, 255], [255, 255, 255]]
    assert torch.equal(drawn[0], drawn[2])


def test_a_table_of_too_many_classes_or_of_none_is_not_drawn() -> None:
    assert table_pictures("a", torch.ones(1, 101) / 101, torch.tensor([0]), 101) == ()
    assert table_pictures("a", torch.ones(0, 3), torch.zeros(0, dtype=torch.int64), 3) == ()


def test_points_lie_where_they_differ_most_in_the_colour_of_their_class() -> None:
    # Classes differ along the third axis by far, along the first a little, else not.
    points = torch.tensor([[0.0, 7, -50, 1], [1.0, 7, -50, 1], [0.0, 7, 50, 1], [1.0, 7, 50, 1]])
    drawn = points_picture(points, torch.tensor([0, 0, 1, 1]))
    assert drawn.shape == (3, 128, 128)
    coloured = [
        (drawn.permute(1, 2, 0) == torch.tensor(colour)).all(2).nonzero()
        for colour in ((0, 114, 178), (230, 159, 0))
    ]
    # Two dots of nine pixels each, on opposite sides.
    assert [len(places) for places in coloured] == [18, 18]
    first, second = (places[:, 1].float().mean() for places in coloured)
    assert abs(float(first - second)) > 120
    assert torch.equal(drawn, points_picture(points.clone(), torch.tensor([0, 0, 1, 1])))


def test_points_that_are_all_the_same_are_drawn() -> None:
    drawn = points_picture(torch.ones(4, 3), torch.zeros(4, dtype=torch.int64))
    assert int((drawn[0] != 255).sum()) == 9


@pytest.mark.federation
@pytest.mark.parametrize(("every", "drawn"), [(2, [2, 3]), (0, [3])])
def test_rounds_that_are_tested_by_all_draw(tmp_path: Path, every: int, drawn: list[int]) -> None:
    for method, name in (("fd", "mean-outputs"), ("fedgen", "generated-features")):
        played = tiny(tmp_path / method, method, rounds=3, evaluate_every=every, models="cnn")
        played.play()
        found = sorted(played.run_folder.glob(f"images/*/{name}.png"))
        assert [int(file.parent.name.rpartition("-")[2]) for file in found] == drawn


@pytest.mark.parametrize("width", [1, 2])
def test_features_of_few_coordinates_and_what_is_no_number_are_drawn(width: int) -> None:
    points = torch.randn(6, width, generator=torch.Generator().manual_seed(0))
    points[2, 0] = torch.nan
    drawn = points_picture(points, torch.tensor([0, 0, 1, 1, 2, 2]))
    assert drawn.shape == (3, 128, 128)
    assert bool((drawn < 255).any())
