"""The engine at one step: gradients in closed form, and what it refuses."""

import pytest
import torch
from torch import Tensor, nn

from strategies.common.errors import ModelError, WireError
from strategies.common.split.plan import TrainingPlan
from strategies.common.split.wire.frames import Survey
from strategies.splitfed.engine import SplitFedEngine
from tests.strategies.splitfed.small_run import chosen

# Two inputs, two classes, no bias and weights of zero: both classes are equally likely.
ARRIVED = {
    3: (torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 1])),
    5: (torch.tensor([[4.0, 4.0], [0.0, 0.0]]), torch.tensor([1, 1])),
}


def linear(weight: float = 0.0) -> nn.Linear:
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[weight, 0.0], [0.0, weight]]))
    return layer


def engine(
    *, weight: float = 0.0, cohorts: tuple[tuple[int, ...], ...] = ((3, 5),), **settings: object
) -> SplitFedEngine:
    plain = {"momentum": 0.0, "weight_decay": 0.0, "server_learning_rate": 1.0}
    return SplitFedEngine(
        linear(weight),
        torch.zeros(4),
        (2,),
        2,
        TrainingPlan(1, 1, 2, cohorts),
        chosen(**{**plain, **settings}),
        0,
    )


def result(of: SplitFedEngine, samples: dict[int, int] | None = None) -> list[float]:
    return of.mean(samples or {3: 1, 5: 1})[0].tolist()


def slope(client: int) -> Tensor:
    """Return d loss / d weights of a client's own mean at weights of zero."""
    inputs, labels = ARRIVED[client]
    errors = torch.full((2, 2), 0.5) - nn.functional.one_hot(labels, 2)
    return errors.T @ inputs / 2


def test_v1_moves_each_copy_by_its_own_mean() -> None:
    one = engine()
    one.advance(1, 0, ARRIVED)
    one.finish(1)
    # Client 3 alone: -((-.5, .5)^T (1, 0) + (.5, -.5)^T (0, 2)) / 2.
    assert result(one, {3: 1}) == [0.25, -0.5, -0.25, 0.5]
    assert result(one, {5: 1}) == [-1.0, -1.0, 1.0, 1.0]
    assert result(one) == [-0.375, -0.75, 0.375, 0.75]
    assert result(one, {3: 3, 5: 1}) == [-0.0625, -0.625, 0.0625, 0.625]
    assert one.figures() == pytest.approx({"loss": 0.6931472, "train_accuracy": 0.25})


def test_v1_on_the_pool_moves_one_part_by_the_common_mean() -> None:
    one = engine(gradient_scale="pool")
    one.advance(1, 0, ARRIVED)
    assert result(one) == [0.0, 0.0, 0.0, 0.0]
    one.finish(1)
    mean = -(slope(3) + slope(5)) / 2
    assert result(one) == mean.flatten().tolist() == [-0.375, -0.75, 0.375, 0.75]


def test_cohorts_of_unlike_size_weigh_by_their_clients() -> None:
    arrived = {**ARRIVED, 7: ARRIVED[3]}
    together = engine(gradient_scale="pool", cohorts=((3, 5, 7),))
    together.advance(1, 0, arrived)
    together.finish(1)
    apart = engine(gradient_scale="pool", cohorts=((3, 7), (5,)))
    apart.advance(1, 0, {3: arrived[3], 7: arrived[7]})
    apart.advance(1, 1, {5: arrived[5]})
    apart.finish(1)
    assert result(apart) == pytest.approx(result(together), abs=1e-7)
    assert result(together) == pytest.approx((-(2 * slope(3) + slope(5)) / 3).flatten().tolist())


def test_v2_meets_the_second_client_with_what_the_first_one_left() -> None:
    one = engine(version="v2")
    one.advance(1, 0, ARRIVED)
    one.finish(1)
    found = []
    for order in ((3, 5), (5, 3)):
        layer = linear()
        for client in order:
            inputs, labels = ARRIVED[client]
            layer.zero_grad()
            nn.functional.cross_entropy(layer(inputs), labels).backward()
            torch.optim.SGD(layer.parameters(), 1.0).step()
        found.append(layer.weight.detach().flatten().tolist())
    assert found[0] != found[1]
    assert result(one) in found


@pytest.mark.parametrize(("scale", "factor"), [("client", 1), ("pool", 2)])
def test_gradients_are_in_closed_form(scale: str, factor: int) -> None:
    # With weights w on the diagonal, a sample's gradient is (p - y) w / batch.
    one = engine(weight=0.5, gradient_scale=scale)
    gradients = one.advance(1, 0, ARRIVED)
    assert list(gradients) == [3, 5]
    for client, (inputs, labels) in ARRIVED.items():
        errors = (0.5 * inputs).softmax(1) - nn.functional.one_hot(labels, 2)
        torch.testing.assert_close(gradients[client], errors * 0.5 / 2 / factor)


def test_the_order_of_arrival_makes_no_difference() -> None:
    for settings in ({}, {"version": "v2"}, {"gradient_scale": "pool"}):
        ends = []
        for arrived in (ARRIVED, dict(reversed(ARRIVED.items()))):
            one = engine(weight=0.5, **settings)
            gradients = one.advance(1, 0, arrived)
            one.finish(1)
            ends.append((result(one), [gradients[client].tolist() for client in (3, 5)]))
        assert ends[0] == ends[1]


@pytest.mark.parametrize("settings", [{}, {"version": "v2"}, {"gradient_scale": "pool"}])
def test_a_step_without_anyone_changes_nothing(settings: dict[str, object]) -> None:
    one = engine(weight=0.5, **settings)
    assert one.advance(1, 0, {}) == {}
    one.finish(1)
    assert result(one) == [0.5, 0.0, 0.0, 0.5]
    assert one.figures() == {}


def test_momentum_goes_on_from_the_last_round() -> None:
    settings = chosen(momentum=0.5, weight_decay=0.0, server_learning_rate=1.0)
    velocity = torch.tensor([1.0, 0.0, 0.0, 0.0])
    one = SplitFedEngine(linear(), velocity, (2,), 2, TrainingPlan(1, 1, 2, ((3,),)), settings, 0)
    one.advance(1, 0, {3: ARRIVED[3]})
    weights, after = one.mean({3: 1})
    # Half of the old buffer, and the slope (-0.25, 0.5, 0.25, -0.5).
    assert after.tolist() == [0.25, 0.5, 0.25, -0.5]
    assert weights.tolist() == [-0.25, -0.5, -0.25, 0.5]
    assert velocity.tolist() == [1.0, 0.0, 0.0, 0.0]


def test_divergence_is_told() -> None:
    arrived = {3: (torch.full((2, 2), 3e38), torch.tensor([0, 1]))}
    with pytest.raises(ModelError, match="training diverged: the loss is nan; lower learning-rate"):
        engine(weight=1e20).advance(1, 0, arrived)


def test_a_survey_counts_by_client() -> None:
    one = engine(weight=1.0, cohorts=((3, 5),))
    inputs = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
    one.survey(Survey(5, "test", inputs, torch.tensor([0, 1, 1])))
    one.survey(Survey(3, "test", inputs[:1], torch.tensor([0])))
    one.survey(Survey(3, "test", inputs[:0], torch.tensor([], dtype=torch.int64)))
    hits = one.hits()
    assert hits is not None
    assert {client: e.correct for client, e in hits.evaluations.items()} == {3: 1, 5: 2}
    assert hits.samples == {3: 1, 5: 3}
    # Softmax of (2, 0): losses 0.1269 where right, 2.1269 where wrong.
    assert hits.evaluations[5].loss == pytest.approx((2 * 0.126928 + 2.126928) / 3, abs=1e-5)


@pytest.mark.parametrize(
    ("activations", "labels", "told"),
    [
        (torch.zeros(1, 2), torch.tensor([2]), r"expected labels in \[0, 2\), got 2 to 2"),
        (torch.zeros(1, 3), torch.tensor([0]), r"expected activations \(1, 2\), got \(1, 3\)"),
        (torch.zeros(2, 2), torch.tensor([0]), r"expected activations \(1, 2\), got \(2, 2\)"),
    ],
)
def test_a_survey_that_does_not_fit_is_refused(
    activations: Tensor, labels: Tensor, told: str
) -> None:
    with pytest.raises(WireError, match=told):
        engine().survey(Survey(3, "test", activations, labels))


def test_a_client_of_a_survey_can_be_forgotten() -> None:
    one = engine(weight=1.0, cohorts=((3, 5),))
    for client in (3, 5, 3):
        one.survey(Survey(client, "test", torch.tensor([[2.0, 0.0]]), torch.tensor([0])))
    one.forget([3])
    hits = one.hits()
    assert hits is not None
    assert hits.samples == {5: 1}
    one.forget([5])
    assert one.hits() is None
