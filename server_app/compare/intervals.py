"""What a few seeds tell: mean, spread, and how far a paired difference can be trusted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import fmean, stdev
from typing import Final, final

CONFIDENCE: Final = 0.95
# Differences this close to each other are equal but for rounding.
_EQUAL: Final = 1e-12


@final
@dataclass(frozen=True)
class Spread:
    """Mean and spread over seeds.

    Attributes
    ----------
    mean : float
        Of all seeds.
    std : float | None
        Sample standard deviation, over ``count - 1``; ``None`` for one seed.
    count : int
        Seeds.
    """

    mean: float
    std: float | None
    count: int


@final
@dataclass(frozen=True)
class Paired:
    """Mean of differences within pairs, and its confidence interval.

    Attributes
    ----------
    mean : float
        Of the differences.
    half_width : float | None
        The interval is ``mean`` plus and minus this; ``None`` where there is none: for one
        pair, for differences that are all equal, and without scipy.
    count : int
        Pairs.
    """

    mean: float
    half_width: float | None
    count: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """From where to where the interval reaches."""
        if self.half_width is None:
            return None
        return self.mean - self.half_width, self.mean + self.half_width

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval lies on that side of zero; otherwise 0."""
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return 0
        return 1 if self.mean > 0 else -1


def spread(values: Sequence[float]) -> Spread | None:
    """Return mean and spread; ``None`` without a value."""
    if not values:
        return None
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def paired(differences: Sequence[float]) -> Paired | None:
    """Return the mean of differences with a 95% interval by Student's t; ``None`` without one.

    Parameters
    ----------
    differences : Sequence[float]
        One for each pair, which is held to be drawn from a normal distribution.

    Examples
    --------
    >>> from math import isclose
    >>> three = paired([0.01, 0.02, 0.03])
    >>> isclose(three.half_width, 4.302653 * 0.01 / 3**0.5, rel_tol=1e-6)
    True
    """
    if not differences:
        return None
    count, mean = len(differences), fmean(differences)
    if count == 1 or max(differences) - min(differences) < _EQUAL or not has_quantiles():
        return Paired(mean, None, count)
    return Paired(mean, student_t(count - 1) * stdev(differences) / math.sqrt(count), count)


def has_quantiles() -> bool:
    """Tell whether scipy is installed, without which there are no intervals."""
    return find_spec("scipy") is not None


def student_t(freedom: int) -> float:
    """Return how many standard errors a two-sided 95% interval reaches.

    Parameters
    ----------
    freedom : int
        Degrees of freedom, from 1.

    Raises
    ------
    ModuleNotFoundError
        If scipy is not installed.
    """
    # Of the server extra; scipy.stats has the same number and takes a second to import.
    from scipy.special import stdtrit  # noqa: PLC0415

    return float(stdtrit(freedom, 0.5 + CONFIDENCE / 2))
