"""What came of hostile clients: a line for each attack, and a table with a row for each method."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

_HEAD = (
    "| method | attacks | out of bounds | honest clients' accuracy apart, test samples at most | "
    "sender named in each round, once | runs that ended and resumed well | honest clients blamed | "
    "within bounds |\n|---|---|---|---|---|---|---|---|"
)


@final
@dataclass(frozen=True)
class Outcome:
    """What came of one attack, in every round or in one.

    Attributes
    ----------
    method, attack, when : str
        What was played.
    named : tuple[tuple[int, ...], ...]
        How often each hostile client was named in each round of the attack.
    apart : float
        How far an honest client ended from a run without the attack, in test samples at most.
    without : float
        The honest clients' mean accuracy in that run.
    error : str
        Why the run, or what went on with it, did not end well; empty if it did.
    ended, resumed : bool
        Whether it came to its end, and whether it did when it was gone on with.
    blamed : tuple[str, ...]
        Honest clients of which a round says that something is wrong with them.
    """

    method: str
    attack: str
    when: str
    named: tuple[tuple[int, ...], ...] = ()
    apart: float = 0.0
    without: float = 0.0
    error: str = ""
    ended: bool = False
    resumed: bool = False
    blamed: tuple[str, ...] = ()

    @property
    def out_of_bounds(self) -> bool:
        """Whether the sender was named wherever it attacked."""
        return self.ended and all(self._counts)

    @property
    def most(self) -> int:
        """How often one was named in one round, at most."""
        return max(self._counts, default=0)

    @property
    def good(self) -> bool:
        """Whether all is as it should be."""
        harmed = self.out_of_bounds and self.apart > 1
        return self.ended and self.resumed and not self.blamed and self.most <= 1 and not harmed

    @property
    def _counts(self) -> list[int]:
        return [count for own in self.named for count in own]

    def __str__(self) -> str:
        head = f"{self.method} | {self.attack} | {self.when}"
        if not self.ended:
            return f"{head} | ENDED: {self.error}"
        bounds = "" if self.out_of_bounds else " | within bounds"
        bounds += " in the others" * (bool(bounds) and any(self._counts))
        text = ", ".join(f"{sum(map(bool, own))} of {len(own)}" for own in self.named)
        more = f" (as often as {self.most} times)" if self.most > 1 else ""
        return (
            f"{head} | {text}{more} | {self.apart:.1f} of {self.without:.3f} | ended well | "
            f"{'resumed well' if self.resumed else f'RESUME: {self.error}'} | "
            f"{'; '.join(self.blamed) or 'nobody blamed'}{bounds}"
        )


def table(outcomes: Sequence[Outcome]) -> str:
    """Return a table in Markdown with a row for each method, in their order."""
    return "\n".join([_HEAD, *map(_row, _by_method(outcomes))])


def _by_method(outcomes: Sequence[Outcome]) -> Iterator[list[Outcome]]:
    for method in dict.fromkeys(one.method for one in outcomes):
        yield [one for one in outcomes if one.method == method]


def _row(own: Sequence[Outcome]) -> str:
    refused = [one for one in own if one.out_of_bounds]
    once = sum(one.most <= 1 for one in refused)
    well = sum(one.ended and one.resumed for one in own)
    apart = max((one.apart for one in refused), default=0.0)
    within = dict.fromkeys(one.attack for one in own if not one.out_of_bounds)
    cells = [
        own[0].method,
        str(len(own)),
        str(len(refused)),
        f"{apart:.1f}",
        f"{once} of {len(refused)}",
        f"{well} of {len(own)}",
        str(sum(bool(one.blamed) for one in own)),
        ", ".join(within) or "none",
    ]
    return f"| {' | '.join(cells)} |"
