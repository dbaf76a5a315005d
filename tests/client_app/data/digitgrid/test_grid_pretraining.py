import re

import torch

from client_app.data.digitgrid import drawing, handwriting, painting, pretraining, questions
from client_app.data.digitgrid.handwriting import Portion


def test_pictures_questions_and_answers_are_those_of_the_drawing() -> None:
    sheet = handwriting.load()
    batch = pretraining.draw(sheet, 50, torch.Generator().manual_seed(3))
    drawn = drawing.draw(sheet, Portion.PRETRAINING, None, 50, torch.Generator().manual_seed(3))
    assert torch.equal(batch.images, painting.paint(drawn.grids, sheet))
    assert batch.questions == questions.wording(drawn.asked)
    assert batch.answers == questions.answers(drawn.grids, drawn.asked)


def test_captions_tell_two_cells_as_they_are() -> None:
    sheet = handwriting.load()
    batch = pretraining.draw(sheet, 200, torch.Generator().manual_seed(4))
    drawn = drawing.draw(sheet, Portion.PRETRAINING, None, 200, torch.Generator().manual_seed(4))
    told = set()
    for row, caption in enumerate(batch.captions):
        assert len(caption.split(" ")) == 11
        assert set(caption.split(" ")) <= set(questions.WORDS)
        halves = caption.split(" , ")
        places = []
        for half in halves:
            found = re.fullmatch(r"(\w+) (\d) at (top|bottom) (left|right)", half)
            assert found is not None
            colour, digit, height, side = found.groups()
            place = 2 * (height == "bottom") + (side == "right")
            assert int(digit) == drawn.grids.digits[row, place]
            assert colour == questions.COLOURS[drawn.grids.colours[row, place]]
            places.append(place)
        assert places[0] != places[1]
        told.add(tuple(places))
    # All ordered pairs of cells, so that no word of place can be guessed from the other.
    assert len(told) == 12


def test_another_portion_can_be_asked_for() -> None:
    sheet = handwriting.load()
    batch = pretraining.draw(sheet, 5, torch.Generator().manual_seed(0), portion=Portion.TEST)
    drawn = drawing.draw(sheet, Portion.TEST, None, 5, torch.Generator().manual_seed(0))
    assert torch.equal(batch.images, painting.paint(drawn.grids, sheet))


def test_a_generator_goes_on() -> None:
    sheet, generator = handwriting.load(), torch.Generator().manual_seed(0)
    first, second = (pretraining.draw(sheet, 10, generator) for _ in range(2))
    assert not torch.equal(first.images, second.images)
    assert first.captions != second.captions
