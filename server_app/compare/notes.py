"""How the numbers of a comparison are made, said beneath its tables."""

from collections.abc import Sequence

from server_app.compare.arms import Arm, written
from server_app.compare.intervals import has_quantiles
from server_app.compare.measures import NUM_LAST
from server_app.compare.standings import Standing
from server_app.compare.task import CLIENTS
from server_app.compare.text_table import baseline_name
from server_app.compare.words import SCIPY_MISSING


def facts(arms: Sequence[Arm]) -> list[str]:
    """Return data, clients, rounds and seeds of a comparison, a few words each."""
    told = []
    for key, one, many in (
        ("data", "", ""),
        (CLIENTS, "client", "clients"),
        ("rounds", "round", "rounds"),
    ):
        values = dict.fromkeys(written(arm.settings[key]) for arm in arms if key in arm.settings)
        if values:
            name = one if list(values) == ["1"] else many
            told.append(f"{' and '.join(values)} {name}".strip())
    seeds = sorted({seed for arm in arms for seed in arm.runs})
    told.append(f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}")
    return told


def about_accuracy(rows: Sequence[Standing]) -> list[str]:
    """Return how accuracies and differences are made."""
    alone = baseline_name(rows)
    several = any(len(row.arm.runs) > 1 for row in rows)
    told = [
        "A round's accuracy is the mean of clients' own models on their own test splits, weighted "
        "by test samples, as each run's report says.",
        f"The last five rounds are the mean of the last {NUM_LAST} rounds that have an accuracy: a "
        f"last round alone carries a noise of one to three points.",
        "The worst client is the lowest of the last round.",
        "Values are mean ± sample standard deviation over seeds."
        if several
        else "There is one seed of each row, so no spread can be given.",
    ]
    if any(row.baseline is not None for row in rows):
        told.append(
            f"Points to {alone} are differences of the last five rounds in percentage points, "
            f"paired by seed: mean, and 95% interval by Student's t. Clients are better or "
            f"worse than the same client in {alone} as a mean over seeds."
        )
    if not has_quantiles():
        told.append(SCIPY_MISSING)
    return told


def about_cost(reach: float | None, *, asked: bool) -> list[str]:
    """Return how bytes, seconds and the way to an accuracy are counted.

    Parameters
    ----------
    reach : float | None
        The accuracy; ``None`` where no run has one.
    asked : bool
        Whether the user chose it.
    """
    told = [
        "Bytes up and down are medians over the replies of all seeds; what is exchanged is up and "
        "down of all clients and rounds, a mean over seeds.",
        "Times are wall time as means over seeds: of rounds on the server, once clients are "
        "connected, and of all clients' turns on their devices together. They "
        "depend on the machine and on what else ran there.",
    ]
    if reach is not None:
        chosen = "as asked for" if asked else "95% of what the lowest row ends with"
        told.append(
            f"Rounds and bytes to {reach:.3f} ({chosen}) are counted to the first round that is "
            f"at least as accurate, as means over the seeds that get there; a first round is "
            f"found by chance earlier where curves are noisy."
        )
    return told


def about_gains() -> list[str]:
    """Return how the gains of clients are to be read."""
    return [
        "Percentage points over the same client alone, last five rounds, mean over seeds; bars are "
        "sorted by gain and share one axis. Where the partition is drawn by the seed, a client "
        "holds other samples with each seed, so its bar is no property of one data set."
    ]
