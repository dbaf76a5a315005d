from itertools import combinations

import pytest
import torch
from torch import Tensor

from client_app.data.digitgrid import domains, drawing, handwriting, painting
from client_app.data.digitgrid.domains import Domain
from client_app.data.digitgrid.handwriting import Portion

ALL = {**domains.DOMAINS, **{f"related {k}": each for k, each in enumerate(domains.RELATED)}}


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    sheet = handwriting.load()
    drawn = drawing.draw(sheet, Portion.TEST, None, 40, torch.Generator().manual_seed(0))
    return painting.paint(drawn.grids, sheet)


def _render(domain: Domain, pictures: Tensor, seed: int = 0) -> Tensor:
    return domain(pictures, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ALL)
def test_pictures_stay_pictures_and_their_source_is_left_alone(name: str, pictures: Tensor) -> None:
    before, state = pictures.clone(), torch.random.get_rng_state()
    rendered = _render(ALL[name], pictures)
    assert rendered.shape == pictures.shape
    assert rendered.dtype == torch.uint8
    assert torch.equal(pictures, before)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(rendered, _render(ALL[name], pictures))


@pytest.mark.parametrize("name", ALL)
def test_a_picture_does_not_depend_on_the_others(name: str, pictures: Tensor) -> None:
    alone = _render(ALL[name], pictures[:3])
    # A convolution may sum in another order for another number of pictures.
    assert (alone.int() - _render(ALL[name], pictures)[:3].int()).abs().max() <= 1


def test_domains_differ_from_each_other(pictures: Tensor) -> None:
    rendered = [_render(domain, pictures).float() for domain in domains.DOMAINS.values()]
    assert len(rendered) == 5
    for one, other in combinations(rendered, 2):
        assert (one - other).abs().mean() > 15


def test_relatives_are_nearer_to_each_other_than_to_the_clean_rendering(pictures: Tensor) -> None:
    rendered = [_render(domain, pictures).float() for domain in domains.RELATED]
    assert len(rendered) == 5
    assert torch.equal(rendered[0], _render(domains.inverted, pictures).float())
    for one, other in combinations(rendered, 2):
        assert 5 < (one - other).abs().mean() < 90
    for each in rendered:
        assert (each - pictures.float()).abs().mean() > 100


def test_the_negative_by_hand() -> None:
    picture = torch.tensor([0, 60, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    assert _render(domains.inverted, picture).flatten().tolist() == [255, 195, 0]


def test_only_noise_and_stripes_change_with_the_seed(pictures: Tensor) -> None:
    changed = {
        name
        for name, domain in ALL.items()
        if not torch.equal(_render(domain, pictures, 0), _render(domain, pictures, 1))
    }
    assert changed == {"striped", "dim"}


def test_stripes_are_grey_on_paper_and_spare_the_ink() -> None:
    paper = torch.zeros(8, 3, 32, 32, dtype=torch.uint8)
    stripes = _render(domains.striped, paper)
    assert torch.equal(stripes[:, 0], stripes[:, 1])
    assert torch.equal(stripes[:, 0], stripes[:, 2])
    assert 65 <= int(stripes.max()) <= 75
    assert int(stripes.min()) <= 5
    # Along a row they come back after six pixels.
    assert (stripes[..., 6:].int() - stripes[..., :-6].int()).abs().max() <= 1
    inked = _render(domains.striped, torch.full_like(paper, 255)).float()
    assert inked.amax() - inked.amin() <= 0.25 * 75 + 1


def test_in_the_dark_there_is_noise_of_a_known_size() -> None:
    grey = torch.full((20, 3, 32, 32), 200, dtype=torch.uint8)
    seen = _render(domains.dim, grey).float()
    # 0.45 * 200 + 10, with a standard deviation of 7.
    assert abs(float(seen.mean()) - 100.0) < 0.5
    assert abs(float(seen.std()) - 7.0) < 0.2


def test_a_sketch_is_black_within_even_areas_and_turns_red_into_green() -> None:
    picture = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    picture[0, 0, 8:24, 8:24] = 100
    sketch = _render(domains.sketch, picture)[0]
    assert sketch[:, 10:22, 10:22].sum() == 0
    assert sketch[:, :7].sum() == 0
    edge = sketch[:, 8, 16].tolist()
    assert edge[1] >= 198
    assert max(edge[0], edge[2]) <= 3
