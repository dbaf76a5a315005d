import pytest
import torch

from client_app.data.digitgrid import drawing, handwriting, questions
from client_app.data.digitgrid.drawing import Drawn
from client_app.data.digitgrid.grids import COLOURS
from client_app.data.digitgrid.handwriting import Handwriting, Portion
from client_app.data.digitgrid.questions import Kind


@pytest.fixture(scope="module")
def sheet() -> Handwriting:
    return handwriting.load()


def _draw(sheet: Handwriting, count: int, kind: Kind | None = None, seed: int = 0) -> Drawn:
    generator = torch.Generator().manual_seed(seed)
    return drawing.draw(sheet, Portion.CLIENTS, kind, count, generator)


def test_the_handwriting_reads_what_the_grid_says_and_belongs_to_the_portion(
    sheet: Handwriting,
) -> None:
    for portion in Portion:
        drawn = drawing.draw(sheet, portion, None, 2000, torch.Generator().manual_seed(1))
        used = drawn.grids.handwriting
        assert torch.equal(sheet.digits[used], drawn.grids.digits)
        # 8000 cells: all of the portion's digits are used, and none of the others.
        assert set(used.flatten().tolist()) == set(sheet.rows(portion).tolist())


def test_a_counted_colour_is_there_one_to_four_times(sheet: Handwriting) -> None:
    drawn = _draw(sheet, 4000, Kind.COUNT)
    counts = (drawn.grids.colours == drawn.asked.colours.unsqueeze(1)).sum(dim=1)
    shares = counts.bincount(minlength=5) / 4000
    assert shares[0] == 0.0
    assert (shares[1:] - 0.25).abs().max() < 0.03


def test_a_colour_that_stands_for_a_digit_is_there_once_and_anywhere(sheet: Handwriting) -> None:
    drawn = _draw(sheet, 4000, Kind.RELATION)
    coloured = drawn.grids.colours == drawn.asked.colours.unsqueeze(1)
    assert bool((coloured.sum(dim=1) == 1).all())
    places = coloured.to(torch.int64).argmax(dim=1).bincount(minlength=4) / 4000
    assert (places - 0.25).abs().max() < 0.03
    # The other cells have all other colours alike.
    others = (drawn.grids.colours - drawn.asked.colours.unsqueeze(1)) % len(COLOURS)
    shares = others[~coloured].bincount(minlength=5) / 12000
    assert (shares[1:] - 0.25).abs().max() < 0.02


def test_compared_digits_differ_and_either_is_the_larger(sheet: Handwriting) -> None:
    drawn = _draw(sheet, 4000, Kind.LOGIC)
    row = torch.arange(4000)
    here = drawn.grids.digits[row, drawn.asked.places]
    there = drawn.grids.digits[row, drawn.asked.others]
    assert bool((drawn.asked.places != drawn.asked.others).all())
    assert bool((here != there).all())
    assert abs(float((here > there).float().mean()) - 0.5) < 0.03
    # All 90 ordered pairs occur: none of 4000 missing has a chance of 90 exp(-44).
    assert len(set(zip(here.tolist(), there.tolist(), strict=True))) == 90


def test_kinds_are_mixed_evenly(sheet: Handwriting) -> None:
    shares = _draw(sheet, 4000).asked.kinds.bincount(minlength=5) / 4000
    assert (shares - 0.2).abs().max() < 0.03


def test_no_answer_of_a_kind_is_much_more_frequent_than_another(sheet: Handwriting) -> None:
    for kind in Kind:
        drawn = _draw(sheet, 4000, kind)
        given = questions.answers(drawn.grids, drawn.asked)
        options = questions.ANSWERS[kind]
        assert set(given) == set(options)
        largest = max(given.count(answer) for answer in options) / 4000
        assert largest < 1.25 / len(options)


def test_the_first_are_the_same_however_many_are_drawn(sheet: Handwriting) -> None:
    few, many = _draw(sheet, 7), _draw(sheet, 300)
    for part in ("digits", "colours", "handwriting"):
        assert torch.equal(getattr(few.grids, part), getattr(many.grids, part)[:7])
    for part in ("kinds", "places", "others", "colours"):
        assert torch.equal(getattr(few.asked, part), getattr(many.asked, part)[:7])


def test_seeds_differ_and_repeat(sheet: Handwriting) -> None:
    first, again, other = _draw(sheet, 20), _draw(sheet, 20), _draw(sheet, 20, seed=1)
    assert torch.equal(first.grids.handwriting, again.grids.handwriting)
    assert not torch.equal(first.grids.handwriting, other.grids.handwriting)


def test_the_global_generator_is_left_alone(sheet: Handwriting) -> None:
    before = torch.random.get_rng_state()
    _draw(sheet, 5)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_nothing_at_all_can_be_drawn(sheet: Handwriting) -> None:
    assert len(_draw(sheet, 0).grids) == 0
