"""Sample counts of a report beside those of the description: growth is told from invention."""

import pytest

from server_app.reported_samples import check_agreement
from strategies.common.errors import WireError
from strategies.common.transport.control import Description, Report, read_control
from tests.strategies.common.transport.test_control import description, report

DESCRIBED = read_control(
    Description,
    description(train_samples=1000, test_samples=400, train_counts=[], test_counts=[]),
    "client 4",
)


@pytest.mark.parametrize("train", [400, 1000, 1001, 2100])
@pytest.mark.parametrize("test", [0, 100, 400, 900])
def test_data_that_grow_or_shrink_are_no_lie(train: int, test: int) -> None:
    told = report(train_samples=train, test_samples=test, correct=0)
    check_agreement(read_control(Report, told, "client 4"), DESCRIBED, "client 4")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train_samples": 2101}, "report.train_samples: expected about 1000"),
        ({"train_samples": 399}, "at most 2100 and at least 400, got 399"),
        ({"test_samples": 901}, "report.test_samples: expected about 400"),
        ({"test_samples": 99}, "at most 900 and at least 100, got 99"),
    ],
)
def test_what_no_device_came_with_is_refused(changes: dict[str, int], said: str) -> None:
    told = report(**{"train_samples": 1000, "test_samples": 400, "correct": 0, **changes})
    with pytest.raises(WireError) as caught:
        check_agreement(read_control(Report, told, "client 4"), DESCRIBED, "client 4")
    assert str(caught.value).startswith("client 4: report.")
    assert said in str(caught.value)


def test_a_device_with_few_samples_may_get_some() -> None:
    few = DESCRIBED.model_copy(update={"train_samples": 3, "test_samples": 2})
    told = report(train_samples=106, test_samples=104, correct=0)
    check_agreement(read_control(Report, told, "client 4"), few, "client 4")
