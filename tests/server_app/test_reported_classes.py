"""A report's class counts are refused where no test can have come to them."""

import pytest

from server_app.reported_classes import check_classes, reported_classes
from strategies.common.confusion import ConfusionCounts
from strategies.common.errors import WireError
from strategies.common.transport.control import Report


def report(**changes: object) -> Report:
    values: dict[str, object] = {
        "round_number": 1,
        "continued_from": 0,
        "correct": 7,
        "test_samples": 10,
        "loss": 0.5,
        "validation_correct": 0,
        "validation_samples": 0,
        "validation_loss": 0.0,
        "class_samples": [4, 5, 1],
        "class_hits": [3, 4, 0],
        "class_predictions": [5, 5, 0],
        "train_samples": 30,
        "load_s": 0.0,
        "train_s": 0.0,
        "evaluate_s": 0.0,
        "save_s": 0.0,
        "notes": [],
        "scores": {},
        "losses": {},
        "figures": {},
    }
    return Report.model_validate({**values, **changes})


NOTHING = {"class_samples": [], "class_hits": [], "class_predictions": []}


def test_counts_that_fit_are_taken() -> None:
    check_classes(report(), 3, shared=True, sender="client 4")
    assert reported_classes(report()) == ConfusionCounts((4, 5, 1), (3, 4, 0), (5, 5, 0))


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize("changes", [{}, {"macro_f1": 0.5}, {"correct": 6.5}])
def test_a_report_without_counts_needs_none(num_classes: int, changes: dict[str, object]) -> None:
    told = report(**NOTHING, **changes)
    check_classes(told, num_classes, shared=False, sender="client 4")
    assert reported_classes(told) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"class_hits": []}, "class_hits: expected 3 counts, one per class, got 0"),
        ({"class_samples": [5, 5]}, "class_samples: expected 3 counts, one per class, got 2"),
        ({"class_predictions": [5, 5, 0, 0]}, "class_predictions: expected 3 counts"),
        ({"class_samples": [4, 5, 2]}, "class_samples: expected a sum of 10, got 11"),
        ({"class_hits": [3, 5, 0]}, "class_hits: expected a sum of 7, got 8"),
        ({"correct": 7.5}, "class_hits: expected a sum of 7.5, got 7"),
        ({"class_predictions": [5, 4, 0]}, "class_predictions: expected a sum of 10, got 9"),
        ({"class_hits": [5, 2, 0]}, r"class_hits\.0: expected at most 4, got 5"),
        ({"class_predictions": [2, 7, 1]}, r"class_hits\.0: expected at most 2, got 3"),
        # Three errors, one of them an ant's: at most two of others were taken for ants.
        ({"class_predictions": [6, 4, 0]}, r"class_predictions\.0: expected at most 5, got 6"),
        ({"macro_f1": 0.5}, "macro_f1: expected none beside class counts, got 0.5"),
    ],
)
def test_a_lie_is_refused_by_name(changes: dict[str, object], told: str) -> None:
    with pytest.raises(WireError, match=rf"^client 4: report\.{told}"):
        check_classes(report(**changes), 3, shared=True, sender="client 4")


def test_counts_that_must_not_travel_are_refused() -> None:
    with pytest.raises(WireError, match="expected none, since share-class-counts is false"):
        check_classes(report(), 3, shared=False, sender="client 4")
    with pytest.raises(WireError, match="expected none, since each client has its own"):
        check_classes(report(), 0, shared=True, sender="client 4")
