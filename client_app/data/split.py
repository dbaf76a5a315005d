"""One client's samples, cut to a limit and split into train and test.

The sizes follow from the number of samples alone, so that whoever deals samples knows
beforehand whether a client gets enough.
"""

import bisect
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from client_app.data import copies
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings


def sizes(count: int, test_fraction: float) -> tuple[int, int]:
    """Return how many of a client's samples it trains and tests on.

    At least one is tested on, and at least one is trained on where there are two.
    """
    test = min(max(1, round(count * test_fraction)), max(count - 1, 0))
    return count - test, test


def fewest(settings: RunSettings) -> int:
    """Return the fewest samples whose split satisfies both minimums.

    Raises
    ------
    DataError
        If ``max-samples`` leaves a client fewer.
    """

    def is_enough(count: int) -> bool:
        train, test = sizes(count, settings.test_fraction)
        return train >= settings.min_train_samples and test >= settings.min_test_samples

    # Both sizes grow with the count, so the first that is enough can be bisected.
    needed = bisect.bisect_left(range(2**40), True, key=is_enough)
    if 0 < settings.max_samples < needed:
        raise DataError(
            f"setting max-samples: expected 0 or at least {needed}, which min-train-samples="
            f"{settings.min_train_samples}, min-test-samples={settings.min_test_samples} and "
            f"test-fraction={settings.test_fraction} need, got {settings.max_samples}"
        )
    return needed


def require(who: str, train: int, test: int, settings: RunSettings, advice: str) -> None:
    """Refuse a client that would start with too few samples.

    Raises
    ------
    DataError
        Naming the client, its samples, the minimums and what to change.
    """
    if train >= settings.min_train_samples and test >= settings.min_test_samples:
        return
    raise DataError(
        f"{who}: expected at least {settings.min_train_samples} samples to train on and "
        f"{settings.min_test_samples} to test on, got {train} and {test}; {advice}, or lower "
        f"min-train-samples or min-test-samples"
    )


def cut(count: int, limit: int, generator: torch.Generator) -> Tensor:
    """Choose at most ``limit`` of ``count`` samples at random; 0 keeps all.

    Returns
    -------
    Tensor
        (kept,) int64 positions, ascending.
    """
    if limit == 0 or count <= limit:
        return torch.arange(count)
    return torch.randperm(count, generator=generator)[:limit].sort().values


def split(
    labels: Tensor, test_fraction: float, generator: torch.Generator, groups: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Split a client's samples into train and test, class by class.

    Within each class the samples are drawn in random order, and the j-th of n stands at
    (j + 1/2) / n. The test samples are those that stand lowest, so each class gives about
    its share. The last of each class stands behind all others: a class that is tested is
    also trained, as long as the test samples can be found elsewhere.

    Samples of one group stay together: groups are drawn in their place, each of the class of its
    first sample, and as many are tested on as reach the share of samples, but never all.

    Parameters
    ----------
    labels : Tensor
        (samples,) int64.
    test_fraction : float
        Part that is tested on, as :func:`sizes` rounds it.
    generator : torch.Generator
        Source of the order, and of who wins a tie.
    groups : Tensor | None
        (samples,) int64, numbered by first appearance; ``None`` for samples that are each alone.

    Returns
    -------
    tuple[Tensor, Tensor]
        Positions to train and to test on, int64, ascending; together all, each once.
    """
    if groups is None:
        groups = torch.arange(len(labels))
    kinds = labels[copies.firsts(groups)]
    order = torch.randperm(len(kinds), generator=generator)
    standing = torch.zeros(len(kinds), dtype=torch.float64)
    for label in sorted(set(kinds.tolist())):
        members = (kinds[order] == label).nonzero().flatten()
        standing[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
        standing[members[-1]] += 1.0
    _, num_test = sizes(len(labels), test_fraction)
    ranked = order[standing.argsort(stable=True)]
    tested = ranked[: _reaching(groups.bincount()[ranked].tolist(), num_test)]
    is_test = torch.isin(groups, tested)
    return (~is_test).nonzero().flatten(), is_test.nonzero().flatten()


def _reaching(counts: Sequence[int], wanted: int) -> int:
    """Return how many of the first counts reach a sum; never all of them."""
    sums = list(itertools.accumulate(counts))[:-1]
    if not wanted:
        return 0
    return next((end for end, found in enumerate(sums, start=1) if found >= wanted), len(sums))
