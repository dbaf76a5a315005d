"""What a run's numbers come to, alone and beside another run's.

A comparison says which run ends higher and by how much, whether the test samples are
enough to tell, and in what the two runs differ besides the method.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import Final, final

from server_app.run_record import RunRecord
from server_app.shared_settings import is_shared
from strategies.methods import display_name

ABSENT: Final = "—"
# Settings that name or pace a run without changing what it learns.
NEUTRAL_SETTINGS: Final = frozenset(
    {
        "method",
        "run-name",
        "runs-dir",
        "state-dir",
        "compare-with",
        "resume",
        "resume-from",
        "server-threads",
        "quorum-timeout-s",
        "round-deadline-s",
        "max-report-bytes",
        "writers",
    }
)


@final
@dataclass(frozen=True)
class Comparison:
    """One run beside another.

    Attributes
    ----------
    titles : tuple[str, str]
        What to call this run and the other.
    scores : tuple[float, float]
        Mean accuracy after the last round of each.
    noise : float
        Two standard errors of the difference, from the number of test samples alone.
    gains, losses, ties : int
        Clients of both runs whose latest accuracy is higher, lower or equal in this run.
    caveats : tuple[str, ...]
        What else differs, in sentences.
    """

    titles: tuple[str, str]
    scores: tuple[float, float]
    noise: float
    gains: int
    losses: int
    ties: int
    caveats: tuple[str, ...]

    @property
    def difference(self) -> float:
        """Accuracy of this run less the other's."""
        return self.scores[0] - self.scores[1]

    def sentences(self, *, federated: bool) -> tuple[str, ...]:
        """Say the result in plain words.

        Parameters
        ----------
        federated : bool
            Whether this run federates and the other does not.
        """
        this, other = self.titles
        score, reference = self.scores
        points = abs(self.difference) * 100
        if points < 0.05:
            end = f"level with {other} ({reference:.3f})"
        else:
            side = "above" if self.difference > 0 else "below"
            end = f"{points:.1f} percentage points {side} {other} ({reference:.3f})"
        first = f"{this} ends at {score:.3f}, {end}."
        if federated and (self.difference <= 0 or points < 0.05):
            first += " In this run the federation gains nothing."
        clients = (
            f"Of the clients in both runs, {self.gains} {_verb(self.gains, 'do', 'does')} better, "
            f"{self.losses} worse and {self.ties} the same with {this}."
        )
        told = [first, clients]
        if abs(self.difference) <= self.noise:
            told.append(
                f"With this many test samples a difference of up to about {self.noise * 100:.1f} "
                f"points can be chance, so these two runs alone do not tell the methods apart."
            )
        return tuple(told)


def run_title(run: RunRecord) -> str:
    """Return what to call a run: its method, and what the method adds to that."""
    variant = run.presentation.variant
    return display_name(run.method) + (f", {variant}" if variant else "")


def run_titles(run: RunRecord, other: RunRecord) -> tuple[str, str]:
    """Return what to call two runs: their titles, or their names where those are equal."""
    titles = run_title(run), run_title(other)
    return titles if len(set(titles)) > 1 else (run.name, other.name)


def classified_by(run: RunRecord) -> str:
    """Return what picks the class of a test sample in a run."""
    return run.presentation.classified_by or "the model itself among all classes"


def latest_mean(run: RunRecord) -> float | None:
    """Return the mean of the clients' latest accuracies, weighted by test samples."""
    latest = [told[1] for told in map(run.latest, run.clients) if told is not None]
    weights = sum(node.test_samples for node in latest)
    if not weights:
        return None
    return sum((node.accuracy or 0.0) * node.test_samples for node in latest) / weights


def typical_bytes(run: RunRecord, client: int | None = None) -> tuple[float, float] | None:
    """Return the median bytes up and down of a reply, of one client or of all."""
    replies = run.trained(client)
    if not replies:
        return None
    up = median(node.uplink_bytes for node in replies)
    return up, median(node.downlink_bytes for node in replies)


def compare(run: RunRecord, other: RunRecord) -> Comparison | None:
    """Set a run beside another; ``None`` where one of them has no accuracy."""
    mine, theirs = run.last, other.last
    if mine is None or theirs is None or mine.accuracy is None or theirs.accuracy is None:
        return None
    pairs = [(run.latest(c), other.latest(c)) for c in run.clients]
    differences = [(a[1].accuracy or 0.0) - (b[1].accuracy or 0.0) for a, b in pairs if a and b]
    variance = 0.0
    for line, score in ((mine, mine.accuracy), (theirs, theirs.accuracy)):
        tested = sum(n.test_samples for n in line.answered.values() if n.accuracy is not None)
        variance += score * (1 - score) / tested if tested else 0.0
    return Comparison(
        titles=run_titles(run, other),
        scores=(mine.accuracy, theirs.accuracy),
        noise=2 * sqrt(variance),
        gains=sum(d > 0 for d in differences),
        losses=sum(d < 0 for d in differences),
        ties=sum(d == 0 for d in differences),
        caveats=_caveats(run, other),
    )


def _caveats(run: RunRecord, other: RunRecord) -> tuple[str, ...]:
    told = []
    differing = _differing(run, other)
    if differing:
        told.append(f"The runs also differ in these settings: {', '.join(differing)}.")
    picks = classified_by(run), classified_by(other)
    if len(set(picks)) > 1:
        named = (
            f"{title} by {one}" for title, one in zip(run_titles(run, other), picks, strict=True)
        )
        told.append(f"Test samples are not classified alike: {'; '.join(named)}.")
    if _splits(run) != _splits(other):
        told.append("The clients of the two runs do not have the same models and sample counts.")
    if _last_clients(run) != _last_clients(other):
        told.append("Not the same clients reported in the two last rounds.")
    return tuple(told)


def _differing(run: RunRecord, other: RunRecord) -> list[str]:
    keys = (set(run.settings) | set(other.settings)) - NEUTRAL_SETTINGS
    if run.method != other.method:
        # A method's own table and its generator are part of the method.
        names = run.method, other.method
        keys = {k for k in keys if k.startswith("versions.") or is_shared(k, names)}
    pairs = ((k, run.settings.get(k, ABSENT), other.settings.get(k, ABSENT)) for k in sorted(keys))
    return [f"{key} ({mine} against {theirs})" for key, mine, theirs in pairs if mine != theirs]


def _splits(run: RunRecord) -> dict[int, tuple[str, int, int]]:
    """Return every client's model and own samples; what it generated belongs to the method."""
    return {n: (c.model, c.own_samples, c.test_samples) for n, c in run.clients.items()}


def _last_clients(run: RunRecord) -> set[int]:
    answered = run.last.answered if run.last else {}
    return {n for n, node in answered.items() if node.accuracy is not None}


def _verb(count: int, many: str, one: str) -> str:
    return one if count == 1 else many
