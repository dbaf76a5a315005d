"""CPU-seconds of a round: both halves of every method beside plain loops of the same mathematics.

A client's half learns, makes what it sends and tests; a server's takes in five uploads. The plain
loops (``benchmarks.bare_servers.BARE``) take the same steps on the same batches and come to the
same numbers, which tests hold them to. Samples are noise of MNIST's size, models of the zoo. How
FML's and FedKD's clients learn is compared, too, with HtFLlib's way (``benchmarks.bare_mutual``).

All is CPU time of this process on one thread, since other processes may share the machine; the
sides take turns, each first as often as the other, and medians are of the ratios of turns. Run
with ``python -m benchmarks.method_seconds [METHOD ...] [--write]``; the last puts the tables into
``docs/results.md``.
"""

import argparse
import copy
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import torch
from rich.console import Console

from benchmarks.bare_mutual import learnt
from benchmarks.bare_servers import BARE
from benchmarks.results import show_tables
from benchmarks.seconds_case import ROUND, Case, Value, case_of, trained
from strategies import methods

# Makes what is timed, of copies of its own.
Making = Callable[[], Callable[[], object]]

_SAMPLES: Final = (400, 100)
_OPEN: Final[Mapping[str, Value]] = {"open-data": "digits", "open-samples": 600}
# Fewer open samples and steps than by default, of which a round is as many times the same.
OWN: Final[Mapping[str, Mapping[str, Value]]] = {
    "dsfl": {**_OPEN, "dsfl.samples-per-round": 300, "dsfl.distill-epochs": 2},
    "fedmd": {**_OPEN, "fedmd.samples-per-round": 300},
    "feddf": {**_OPEN, "feddf.distill-steps": 50},
    # The plain loop is the paper's.
    "fedgen": {"fedgen.mode": "paper"},
    # Clients learn from the first round on.
    "fedl2g": {"fedl2g.warm-up-rounds": 0},
}
_MUTUAL_SAMPLES: Final = (320, 10)
_PAIRS: Final = (("cnn", "cnn"), ("cnn", "resnet8"))
_BATCHES: Final = (10, 32)


@final
@dataclass(frozen=True)
class Compared:
    """Seconds of two sides that took turns.

    Attributes
    ----------
    one, other : tuple[float, ...]
        Of each turn.
    """

    one: tuple[float, ...]
    other: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Return the median of the turns' ratios."""
        pairs = zip(self.one, self.other, strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    @property
    def spread(self) -> tuple[float, float]:
        """Return the least and the largest of them."""
        found = [mine / theirs for mine, theirs in zip(self.one, self.other, strict=True)]
        return min(found), max(found)

    def beside(self, more: "Compared") -> "Compared":
        """Return the sums of two comparisons, turn by turn."""
        return Compared(
            tuple(a + b for a, b in zip(self.one, more.one, strict=True)),
            tuple(a + b for a, b in zip(self.other, more.other, strict=True)),
        )


def taking_turns(one: Making, other: Making, turns: int) -> Compared:
    """Time two sides by turns, after one of each that is not counted."""
    seconds: tuple[list[float], list[float]] = [], []
    for turn in range(turns + 1):
        # Whoever comes first meets other caches.
        for side in (0, 1) if turn % 2 else (1, 0):
            play = (one, other)[side]()
            started = time.process_time()
            play()
            seconds[side].append(time.process_time() - started)
    return Compared(tuple(seconds[0][1:]), tuple(seconds[1][1:]))


def learning(case: Case) -> Making:
    """Return how to let the client's half learn and make what it sends, without a test."""

    def make() -> Callable[[], object]:
        state = copy.deepcopy(case.state)
        return lambda: trained(case, state)

    return make


def product_client(case: Case) -> Making:
    """Return how to make the client's turn with its half."""

    def make() -> Callable[[], object]:
        state = copy.deepcopy(case.state)

        def play() -> object:
            uplink = trained(case, state)
            return uplink, case.client.evaluate(case.device, state, case.down)

        return play

    return make


def product_server(case: Case) -> Making:
    """Return how to make the server's turn with its half."""

    def make() -> Callable[[], object]:
        state = copy.deepcopy(case.server_state)
        return lambda: case.server.aggregate(state, ROUND, case.replies)

    return make


def bare_client(case: Case) -> Making:
    """Return how to make the client's turn as a plain loop."""
    build = BARE[case.device.settings.method][0]
    return lambda: build(case, copy.deepcopy(case.state))


def bare_server(case: Case) -> Making:
    """Return how to make the server's turn as a plain loop."""
    build = BARE[case.device.settings.method][1]
    return lambda: build(case, copy.deepcopy(case.server_state))


def method_row(method: str, turns: int) -> list[str]:
    """Compare both halves of a method, and tell of each and of their sum."""
    case = case_of(method, "cnn", _SAMPLES, OWN.get(method, {}))
    client = taking_turns(product_client(case), bare_client(case), turns)
    server = taking_turns(product_server(case), bare_server(case), turns)
    both = client.beside(server)
    low, high = both.spread
    return [
        methods.display_name(method),
        *(f"{1000 * statistics.median(side):.0f}" for side in (client.one, client.other)),
        f"{client.ratio:.2f}",
        *(f"{1000 * statistics.median(side):.1f}" for side in (server.one, server.other)),
        f"{both.ratio:.2f} ({low:.2f} to {high:.2f})",
    ]


def mutual_row(method: str, models: tuple[str, str], batch: int, turns: int) -> list[str]:
    """Compare how a client learns of two models with how HtFLlib lets it."""
    own, shared = models
    changes: Mapping[str, Value] = {f"{method}.model": shared, "batch-size": batch}
    case = case_of(method, own, _MUTUAL_SAMPLES, changes)
    undetached = case_of(method, own, _MUTUAL_SAMPLES, {**changes, f"{method}.detach": False})
    found = taking_turns(learning(case), lambda: learnt(case, copy.deepcopy(case.state)), turns)
    summed = taking_turns(learning(undetached), learning(case), turns)
    low, high = found.spread
    return [
        methods.display_name(method),
        f"`{own}`, `{shared}`",
        str(batch),
        *(f"{1000 * statistics.median(side):.0f}" for side in (found.one, found.other)),
        f"{found.ratio:.2f} ({low:.2f} to {high:.2f})",
        f"{summed.ratio:.2f}",
    ]


def main() -> None:
    """Measure, print the tables, and write them where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=list(BARE), metavar="METHOD")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="into docs/results.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"load of this machine at the start: {os.getloadavg()[0]:.1f}")
    told = {"seconds": (_TITLES, [method_row(one, options.turns) for one in options.methods])}
    rows = [
        mutual_row(method, models, batch, options.turns)
        for method in ("fml", "fedkd")
        if method in options.methods
        for models in _PAIRS
        for batch in _BATCHES
    ]
    told["mutual_seconds"] = (_MUTUAL_TITLES, rows)
    show_tables(console, told, write=options.write)
    console.print(f"load of this machine at the end: {os.getloadavg()[0]:.1f}")


_TITLES: Final[Sequence[str]] = (
    "method",
    "client, ms",
    "plain loop",
    "ratio",
    "server, ms",
    "plain loop",
    "ratio of both",
)
_MUTUAL_TITLES: Final[Sequence[str]] = (
    "method",
    "own model, shared one",
    "batch",
    "Nectar, ms",
    "as HtFLlib, ms",
    "ratio",
    "`detach=false` to `true`",
)


if __name__ == "__main__":
    main()
