"""Which settings make a task: what is learnt, of what and by whom.

Accuracies of rows that differ here are of other tests, and are not ranked.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from strategies.common.presentation import Setting

# The number of clients is no setting, yet runs that differ in it are no repetitions.
CLIENTS: Final = "clients"
TASK: Final = frozenset(
    {
        CLIENTS,
        "adapters.backbone",
        "channels",
        "classes-per-client",
        "data",
        "dirichlet-alpha",
        "image-size",
        "input-columns",
        "label-column",
        "max-answers",
        "max-samples",
        "min-test-samples",
        "min-train-samples",
        "models",
        "partition",
        "shards-per-client",
        "split.network",
        "test-fraction",
        "text-length",
        "validation-share",
        "vocabulary",
        "vocabulary-file",
        "window-length",
    }
)
# Where clients' own data are kept open, they test on what is left.
OPEN: Final = frozenset({"open-data", "open-samples"})


def of_task(
    unlike: Iterable[str], one: Mapping[str, Setting], other: Mapping[str, Setting]
) -> list[str]:
    """Return those settings by which two rows are of two tasks.

    Parameters
    ----------
    unlike : Iterable[str]
        In which they differ.
    one, other : Mapping[str, Setting]
        All settings of each.
    """
    keeps = any(
        row.get("open-data") and row["open-data"] == row.get("data") for row in (one, other)
    )
    known = TASK | OPEN if keeps else TASK
    return [key for key in unlike if key in known]
