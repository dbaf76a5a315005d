"""What a comparison may claim, in plain words."""

from collections.abc import Sequence
from typing import Final

from server_app.compare.arms import Arm
from server_app.compare.intervals import Paired, has_quantiles
from server_app.compare.standings import Standing, leader

MINUS: Final = "-"
SCIPY_MISSING: Final = "Intervals need scipy: install the server extra of Nectar."


def verdicts(rows: Sequence[Standing]) -> list[str]:
    """Say of every row that federates how it stands to its clients alone."""
    return [_verdict(row, [one.arm for one in rows]) for row in rows if not row.arm.alone]


def limits(rows: Sequence[Standing]) -> list[str]:
    """Say how far all verdicts together can be trusted."""
    told = []
    intervals = sum(
        row.difference is not None and row.difference.half_width is not None for row in rows
    )
    if intervals > 1:
        told.append(
            f"These are {intervals} intervals: of 95% intervals one in twenty misses the true "
            f"difference by chance, so the more rows there are, the likelier one is to mislead."
        )
    first, *others = (row.arm for row in rows)
    if tasks := sorted({key for other in others for key in first.other_task(other)}):
        told.append(
            f"Rows that differ in {', '.join(tasks)} are of other tasks: their accuracies are not "
            f"ranked, and none is set in bold."
        )
    elif len(rows) > 2 and leader(rows) is None:
        told.append("No row is above each of the others by more than chance; none is set in bold.")
    return told


def points(value: float, *, signed: bool = True) -> str:
    """Write a difference of accuracies in percentage points.

    Examples
    --------
    >>> points(0.012), points(-0.0004), points(0.03, signed=False)
    ('+1.2', '-0.04', '3.0')
    """
    scaled = value * 100
    # A bound close to zero must not look like zero.
    digits = 2 if 0 < abs(scaled) < 0.05 else 1
    written = f"{abs(scaled):.{digits}f}"
    if float(written) == 0:
        return written
    return f"{MINUS}{written}" if scaled < 0 else f"{'+' if signed else ''}{written}"


def interval(difference: Paired) -> str:
    """Write an interval in percentage points, or why there is none."""
    if difference.interval is not None:
        low, high = (points(end) for end in difference.interval)
        return f"{low} to {high}"
    if difference.count == 1:
        return "one seed: no interval"
    return "all equal: no interval" if has_quantiles() else "no scipy: no interval"


def of_seeds(count: int) -> str:
    """Count seeds."""
    return "1 seed" if count == 1 else f"{count} seeds"


def _verdict(row: Standing, arms: Sequence[Arm]) -> str:
    label, difference = row.arm.label, row.difference
    if row.baseline is None:
        return f"{label}: {_nothing_to_hold_against(row.arm, arms)}"
    against = row.baseline.label
    if difference is None:
        return f"{label}: no seed has an accuracy both here and in {against} to compare."
    if difference.interval is None:
        mean = points(difference.mean)
        return f"{label} against {against}: {mean} points. {_no_interval(difference)}"
    low, high = (points(end, signed=False) for end in difference.interval)
    if difference.sign == 0:
        return (
            f"{label} against {against}: no difference can be told from "
            f"{of_seeds(difference.count)}: {points(difference.mean)} points, 95% interval "
            f"{low} to {high}."
        )
    side = "above" if difference.sign > 0 else "below"
    ends = (low, high) if difference.sign > 0 else (high, low)
    low, high = (end.removeprefix(MINUS) for end in ends)
    return (
        f"{label} is {side} {against} by {points(abs(difference.mean), signed=False)} points "
        f"(95% interval {low} to {high} over {of_seeds(difference.count)}).{_of_clients(row)}"
    )


def _of_clients(row: Standing) -> str:
    """Say how many clients go either way where a mean tells of no more than half of them."""
    above, below, level = row.gained()
    agreeing = above if row.difference is not None and row.difference.sign > 0 else below
    if 2 * agreeing > above + below + level:
        return ""
    return f" A mean of unlike clients: {above} of {len(row.gains)} above, {below} below."


def _no_interval(difference: Paired) -> str:
    if difference.count == 1:
        return (
            "One seed: no interval, so this may be chance; run at least three seeds before "
            "trusting a difference."
        )
    if not has_quantiles():
        return SCIPY_MISSING
    return (
        f"All {of_seeds(difference.count)} differ by the same, from which no interval can be made."
    )


def _nothing_to_hold_against(arm: Arm, arms: Sequence[Arm]) -> str:
    alone = [one for one in arms if one.alone]
    if not alone:
        return "there is no run of clients alone (Local) to hold it against."
    closest = min(alone, key=lambda one: len(arm.unlike(one)))
    keys = ", ".join(arm.unlike(closest))
    return f"no run of clients alone has its settings; {closest.label} differs in {keys}."
