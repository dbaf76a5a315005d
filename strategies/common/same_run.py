"""Which settings two parts of one run may differ in: those that change no result."""

from collections.abc import Iterable
from typing import Final

from strategies.common.run_config import RunConfig, default_config

# None of them changes a result.
FREE: Final = frozenset(
    {
        "rounds",
        "min-nodes",
        "min-replies",
        "quorum-timeout-s",
        "round-deadline-s",
        "max-report-bytes",
        "compare-with",
        "runs-dir",
        "state-dir",
        "resume",
        "resume-from",
        "run-name",
        "writers",
    }
)


def differing(
    before: RunConfig, now: RunConfig, keys: Iterable[str], *, follows_rounds: bool
) -> list[str]:
    """Return which of some settings make another run of one, in order.

    Parameters
    ----------
    before : RunConfig
        What the run was begun with; a setting that there was not yet is at its default, which does
        what was done before.
    now : RunConfig
        What is held against it.
    keys : Iterable[str]
        Which settings to look at.
    follows_rounds : bool
        Whether what a round does follows from how many there are.
    """
    free = FREE - {"rounds"} if follows_rounds else FREE
    known = {**default_config(), **before}
    return [key for key in sorted(set(keys) - free) if known.get(key) != now.get(key)]
