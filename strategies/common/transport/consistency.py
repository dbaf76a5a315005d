"""What a description or a report says that cannot all be true.

Each function returns what is wrong, beginning with the field, or ``None``.
"""

from math import prod
from typing import TYPE_CHECKING

from strategies.common.transport.ranges import MAX_INPUT

if TYPE_CHECKING:
    from strategies.common.transport.control import Description, Report


def of_description(told: "Description") -> str | None:
    """Return which list is of another length, or adds up to something else."""
    if told.inputs != "tokens" and prod(told.sizes) > MAX_INPUT:
        return f"sizes: expected at most {MAX_INPUT} values in one input, got {told.sizes}"
    if told.variances > told.statistics:
        return f"variances: expected at most statistics={told.statistics}, got {told.variances}"
    if told.class_names and len(told.class_names) != told.num_classes:
        return (
            f"class_names: expected none or {told.num_classes}, one per class, got "
            f"{len(told.class_names)}"
        )
    return _of_samples(told)


def _of_samples(told: "Description") -> str | None:
    if told.generated > told.train_samples:
        return (
            f"generated: expected at most train_samples={told.train_samples}, got {told.generated}"
        )
    width = told.num_classes * told.clients
    own = told.train_samples - told.generated
    but = f" less generated={told.generated}" if told.generated else ""
    for name, counts, samples, of in (
        ("train", told.train_counts, own, f"{told.train_samples}{but}"),
        ("test", told.test_counts, told.test_samples, f"{told.test_samples}"),
    ):
        if counts and len(counts) != width:
            return f"{name}_counts: expected none or {width} counts, got {len(counts)}"
        if counts and sum(counts) != samples:
            return f"{name}_counts: expected a sum of {name}_samples={of}, got {sum(counts)}"
    return None


def of_report(told: "Report") -> str | None:
    """Return which number is more than another one allows, or which list is of another length."""
    if told.continued_from > told.round_number:
        return (
            f"continued_from: expected at most round_number={told.round_number}, got "
            f"{told.continued_from}"
        )
    for prefix, correct, samples in (
        ("", told.correct, told.test_samples),
        ("validation_", told.validation_correct, told.validation_samples),
    ):
        if correct > samples:
            of = f"{prefix or 'test_'}samples={samples}"
            return f"{prefix}correct: expected at most {of}, got {correct:g}"
    # A share of at most a half is held out, and at least one sample.
    if told.validation_samples > max(1, told.train_samples):
        return (
            f"validation_samples: expected at most train_samples={told.train_samples}, got "
            f"{told.validation_samples}"
        )
    lengths = [len(told.class_samples), len(told.class_hits), len(told.class_predictions)]
    if len(set(lengths)) > 1:
        return f"class_samples: expected as many as class_hits and _predictions, got {lengths}"
    return None
