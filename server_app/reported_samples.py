"""Sample counts of a report, held against what the device said of itself."""

from typing import Final

from strategies.common.errors import WireError
from strategies.common.transport.control import Description, Report

# Data may grow or shrink while a run goes on: so many times, and by so many samples besides.
GROWTH: Final = 2
SLACK: Final = 100


def most_samples(described: Description) -> int:
    """Return how many samples a client may come with, of all kinds together."""
    return (described.train_samples + described.test_samples) * GROWTH + SLACK


def check_agreement(report: Report, described: Description, sender: str) -> None:
    """Refuse counts that are far from those with which a client came.

    Parameters
    ----------
    report : Report
        What arrived.
    described : Description
        What the same device said before its first round since the server started.
    sender : str
        Who sent it, for error messages.

    Raises
    ------
    WireError
        Naming sender, field, expected and got.
    """
    told = {"train_samples": (report.train_samples, described.train_samples)}
    if report.test_samples:
        told["test_samples"] = report.test_samples, described.test_samples
    for field, (got, known) in told.items():
        fewest, most = known // GROWTH - SLACK, known * GROWTH + SLACK
        if not fewest <= got <= most:
            raise WireError(
                f"{sender}: report.{field}: expected about {known} as in its description, at most "
                f"{most} and at least {max(0, fewest)}, got {got}; where the data changed that "
                f"much it is asked anew what it has, before the next round"
            )
