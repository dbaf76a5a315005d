"""Class counts in a report, held against the task and against the rest of the report."""

from typing import NoReturn

from strategies.common.confusion import ConfusionCounts
from strategies.common.errors import WireError
from strategies.common.transport.control import Report


def reported_classes(report: Report) -> ConfusionCounts | None:
    """Return the class counts of a report that was checked; ``None`` where it has none."""
    if not report.class_samples:
        return None
    told = report.class_samples, report.class_hits, report.class_predictions
    return ConfusionCounts(*map(tuple, told))


def check_classes(report: Report, num_classes: int, *, shared: bool, sender: str) -> None:
    """Refuse class counts that no test of this task can have come to.

    Parameters
    ----------
    report : Report
        What arrived.
    num_classes : int
        Classes of the task; 0 where every client has its own.
    shared : bool
        Whether devices may tell class counts at all.
    sender : str
        Who sent it, for error messages.

    Raises
    ------
    WireError
        Naming sender, field, expected and got.
    """
    counts = {
        "class_samples": report.class_samples,
        "class_hits": report.class_hits,
        "class_predictions": report.class_predictions,
    }
    if not any(counts.values()):
        return
    if not shared or not num_classes:
        reason = "share-class-counts is false" if num_classes else "each client has its own"
        _refuse(sender, "class_samples", f"none, since {reason}", report.class_samples)
    if report.macro_f1 is not None:
        _refuse(sender, "macro_f1", "none beside class counts", report.macro_f1)
    sums = (report.test_samples, report.correct, report.test_samples)
    for (field, found), total in zip(counts.items(), sums, strict=True):
        if len(found) != num_classes:
            _refuse(sender, field, f"{num_classes} counts, one per class", len(found))
        if sum(found) != total:
            _refuse(sender, field, f"a sum of {total:g}", sum(found))
    _check_each(report, sender)


def _check_each(report: Report, sender: str) -> None:
    wrong = report.test_samples - report.correct
    columns = report.class_samples, report.class_hits, report.class_predictions
    for label, (own, hits, given) in enumerate(zip(*columns, strict=True)):
        if hits > min(own, given):
            _refuse(sender, f"class_hits.{label}", f"at most {min(own, given)}", hits)
        # Samples that are wrongly given this class are errors of the others.
        possible = wrong - (own - hits) + hits
        if given > possible:
            _refuse(sender, f"class_predictions.{label}", f"at most {possible:g}", given)


def _refuse(sender: str, field: str, expected: str, got: object) -> NoReturn:
    raise WireError(f"{sender}: report.{field}: expected {expected}, got {got}")
