"""FedGen's generator: its size in the paper's tables, and the term that keeps features apart."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from strategies.common.inputs import Images
from strategies.common.task import Task
from strategies.common.wire import decode, encode
from strategies.fedgen.generator import FeatureGenerator, likeness
from strategies.fedgen.wire import Lesson
from tests.strategies import halves


@pytest.mark.parametrize(
    ("noise", "classes", "hidden", "numbers"),
    [
        (32, 10, 256, 19_744),
        (32, 26, 256, 23_840),
        (32, 2, 128, 8_864),
        (64, 26, 256, 32_032),
        (32, 26, 128, 11_936),
        (16, 26, 128, 9_888),
        (32, 26, 64, 5_984),
    ],
)
def test_generators_have_the_sizes_that_the_paper_lists(
    noise: int, classes: int, hidden: int, numbers: int
) -> None:
    """Check 30."""
    generator = FeatureGenerator(noise, classes, hidden, 32)
    assert sum(parameter.numel() for parameter in generator.parameters()) == numbers
    labels = torch.arange(4) % classes
    assert generator(torch.zeros(4, noise), labels).shape == (4, 32)


def test_features_follow_the_label_and_the_noise() -> None:
    generator = FeatureGenerator(2, 3, 8, 5).eval()
    noise = torch.randn(1, 2, generator=torch.Generator().manual_seed(0)).expand(3, 2)
    for_labels = generator(noise, torch.arange(3))
    for_noise = generator(torch.eye(2), torch.zeros(2, dtype=torch.int64))
    assert not torch.allclose(for_labels[0], for_labels[1])
    assert not torch.allclose(for_noise[0], for_noise[1])


def test_likeness_is_that_worked_out_by_hand() -> None:
    # Pairs (0,1) and (1,0) of four: noise 4 apart in the mean square, features 3 in the mean.
    noise, features = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0, 0.0], [2.0, 4.0]])
    assert float(likeness(noise, features)) == pytest.approx(float(torch.tensor(-6.0).exp()))


@given(st.integers(2, 6), st.integers(0, 99))
def test_likeness_is_one_only_where_all_are_the_same(count: int, seed: int) -> None:
    """Check 32."""
    drawn = torch.Generator().manual_seed(seed)
    noise, features = torch.randn(count, 3, generator=drawn), torch.randn(count, 5, generator=drawn)
    found = float(likeness(noise, features))
    assert 0 < found < 1
    assert float(likeness(noise, features[:1].expand(count, 5))) == 1.0
    assert float(likeness(noise[:1].expand(count, 3), features)) == 1.0
    assert float(likeness(noise, 2 * features)) < found


def test_noise_is_normal_in_the_paper_and_uniform_in_its_code() -> None:
    drawn = {}
    for mode in ("paper", "official"):
        own = halves.client("fedgen", mode=mode).settings
        labels, order = torch.arange(2000) % 3, torch.Generator().manual_seed(0)
        generator = FeatureGenerator(32, 3, 4, 5).eval()
        drawn[mode], features = generator.drawn(labels, own, order)
        assert torch.equal(features, generator(drawn[mode], labels))
        assert drawn[mode].shape == (2000, 32)
    assert 0 <= float(drawn["official"].min()) < 0.01
    assert 0.99 < float(drawn["official"].max()) < 1
    assert float(drawn["paper"].mean()) == pytest.approx(0, abs=0.02)
    assert float(drawn["paper"].std()) == pytest.approx(1, abs=0.02)


def test_a_generator_and_a_prior_cost_what_the_paper_sends() -> None:
    """Checks 36 and 39: a head of 1,320 bytes, a generator of 78,976 and 2,048, a prior of 40."""
    task = Task(10, Images(1, 28, 28), 32)
    run = halves.run_of("fedgen", feature_dim=32)
    agreed = halves.agreed("fedgen", task, run, sharing="head")
    exact = Lesson.sizes(agreed).exact
    assert 4 * exact["parameters"] == 1_320
    assert (4 * exact["generator"], 4 * exact["measured"], 4 * exact["class"]) == (
        78_976,
        2_048,
        40,
    )
    assert exact["statistics"] == 0
    lengths = {"parameters": 330, "statistics": 0, "generator": 19_744, "measured": 512}
    sent = Lesson(**{n: torch.zeros(k) for n, k in lengths.items()}, prior=torch.full((10,), 0.1))
    blob = encode(sent, "float32")
    assert 0 < len(blob) - 1_320 - 78_976 - 2_048 - 40 < 600
    again = decode(Lesson, blob, agreed, sender="server").built_generator(agreed)
    assert not any(parameter.any() for parameter in again.parameters())
