"""Hostile clients in a federation of honest ones: what the honest ones lose.

Five honest clients learn beside one hostile client, which is honest but for one thing that it
changes (``hostile_attacks.py``), in every round or in one of three. The run is then resumed without
the hostile client; after an attack in one round, from the round before it. An attack is out of
bounds where the server named its sender. Then the honest clients' accuracies are to be, within one
test sample, those of a run without it: one in which it is absent from the start, or in which
nothing of it is taken in.

Run with ``python -m benchmarks.hostile_clients [--methods fedproto ...] [--attacks 1e3 ...]``.
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from flwr.app import Message
from rich.console import Console

from benchmarks.hostile_attacks import (
    Attack,
    Everything,
    Nothing,
    Sixteen,
    streaming,
    weights_in,
    with_report,
    with_upload,
)
from benchmarks.hostile_federations import SETTINGS, STAND_INS, Settings, changes, has_keys, streams
from benchmarks.hostile_outcomes import Outcome, table
from strategies.common.errors import NectarError
from tests.answering import standing_in
from tests.loopback import Federation

HONEST: Final = 5
_FIRST_NODE: Final = 100
_ROUNDS: Final = 3
_ONCE: Final = 2

Lines = list[dict[str, Any]]


@final
@dataclass
class Played:
    """A run, and how it went on without the hostile clients.

    Attributes
    ----------
    lines, resumed : list[dict]
        Journals of the rounds that were played; empty where the run did not end well.
    error : str
        Why it did not.
    """

    lines: Lines = field(default_factory=list)
    resumed: Lines = field(default_factory=list)
    error: str = ""


@final
class Stage:
    """The federations of one method.

    Parameters
    ----------
    folder : Path
        Where they are played.
    method : str
        Which method.
    honest, hostile : int
        Clients of either kind; the last ones are hostile.
    models : str
        In place of the federation's own; empty keeps them.
    """

    def __init__(
        self, folder: Path, method: str, honest: int, hostile: int, models: str = ""
    ) -> None:
        self._folder, self._method = folder, method
        self.honest, self._clients = honest, honest + hostile
        self.villains = [*range(honest, self._clients)]
        self._models: Settings = {"models": models} if models else {}
        self._number = 0
        self._references: dict[tuple[str | None, bool], Lines] = {}

    def play(self, attack: Attack | None, *, once: bool, absent: bool = False) -> Played:
        """Play a federation, and resume it without the hostile clients.

        Parameters
        ----------
        attack : Attack | None
            What the hostile clients do, where they are there.
        once : bool
            Whether they do it in one round alone.
        absent : bool
            Whether they are there at all.
        """
        self._number += 1
        folder, played = self._folder / str(self._number), Played()
        rounds = range(_ONCE, _ONCE + 1) if once else range(1, _ROUNDS + 1)
        try:
            played.lines = self._run(folder, attack, rounds, absent=absent, overrides={})
            again: Settings = {"resume": True, "rounds": _ROUNDS + (0 if once else 1)}
            if once:
                again = {**again, "resume-from": _ONCE - 1}
            played.resumed = self._run(folder, None, range(0), absent=True, overrides=again)
        except NectarError as error:
            played.error = f"{type(error).__name__}: {error}"
        return played

    def apart(self, played: Played, attack: Attack, *, once: bool) -> tuple[float, float]:
        """Return how far an honest client is from a run without the attack, at most.

        That is a run in which nothing is taken in where the attack is, or one in which the
        hostile clients are absent; the nearer one counts.

        Returns
        -------
        tuple[float, float]
            In test samples, and the honest clients' mean accuracy without the attack.
        """
        without = [self._without(attack.kind if attack.streams else "upload", once=once)]
        if not once:
            without.append(self._without(None, once=False))
        found = [(self._differ(played.lines, lines), self._mean(lines)) for lines in without]
        return min(found)

    def _without(self, kind: str | None, *, once: bool) -> Lines:
        if (kind, once) not in self._references:
            nothing = None if kind is None else Nothing[kind]
            found = self.play(nothing, once=once, absent=kind is None)
            self._references[kind, once] = found.lines
        return self._references[kind, once]

    def _mean(self, lines: Lines) -> float:
        return sum(_accuracy(lines, p) for p in range(self.honest)) / self.honest

    def _differ(self, one: Lines, other: Lines) -> float:
        return max(
            abs(_accuracy(one, p) - _accuracy(other, p)) * _samples(other, p)
            for p in range(self.honest)
        )

    def _run(
        self,
        folder: Path,
        attack: Attack | None,
        rounds: range,
        *,
        absent: bool,
        overrides: Settings,
    ) -> Lines:
        settings = {**SETTINGS[self._method], "method": self._method, "rounds": _ROUNDS}
        settings = {**settings, "min-nodes": self.honest, **self._models, **overrides}
        _share_data(folder, self._folder)
        federation = Federation(folder, self._clients, settings)
        grid = federation.grid
        if absent:
            grid.offline.update(_FIRST_NODE + villain for villain in self.villains)

        def now() -> bool:
            return int(grid.sent[-1].metadata.group_id or 0) in rounds

        def tamper(node_id: int, reply: Message) -> Message:
            if node_id - _FIRST_NODE in self.villains and not reply.has_error():
                self._spoil(reply, attack, grid.sent, rounds)
            return reply

        grid.tamper = tamper
        with ExitStack() as stack:
            stack.enter_context(standing_in(STAND_INS))
            if attack is not None:
                for villain in self.villains:
                    stack.enter_context(streaming(attack, villain, now))
            return federation.play()

    def _spoil(
        self, reply: Message, attack: Attack | None, sent: Sequence[Message], rounds: range
    ) -> None:
        kind, number = reply.metadata.message_type, int(reply.metadata.group_id or 0)
        if attack is None or attack.streams or not rounds:
            return
        if attack.kind == "description" and attack.told is not None:
            if kind == "query":
                reply.content = with_report(reply.content, "description", attack.told)
        elif kind == "query" or number not in rounds:
            return
        elif attack.told is not None:
            reply.content = with_report(reply.content, "report", attack.told)
        elif kind == "train":
            asked = reply.metadata.reply_to_message_id
            (question,) = (one for one in sent if one.metadata.message_id == asked)
            reply.content = with_upload(reply.content, attack, weights_in(question.content))


def _share_data(folder: Path, home: Path) -> None:
    """Let all federations prepare their data once."""
    link, prepared = folder / "state" / "prepared", home / "prepared"
    if not link.exists():
        prepared.mkdir(exist_ok=True)
        link.parent.mkdir(parents=True)
        link.symlink_to(prepared)


def _node(lines: Lines, partition: int) -> dict[str, Any]:
    found: dict[str, Any] = lines[-1]["nodes"].get(str(partition), {})
    return found


def _accuracy(lines: Lines, partition: int) -> float:
    told = _node(lines, partition).get("accuracy")
    return float("nan") if told is None else float(told)


def _samples(lines: Lines, partition: int) -> int:
    return int(_node(lines, partition).get("test_samples", 0))


def named(line: dict[str, Any], partition: int) -> int:
    """Return how often a round's line says that something is wrong with a client."""
    failed = "failure" in line["nodes"].get(str(partition), {})
    words = (f"client {partition}", f"node {partition}", f"node {_FIRST_NODE + partition}")
    notes = sum(
        any(f"{w}{end}" in n for w in words for end in (" ", ":", ",")) for n in line["notes"]
    )
    return failed + notes


def outcome(stage: Stage, method: str, attack: Attack, *, once: bool) -> Outcome:
    """Play one attack and return what it came to."""
    played = stage.play(attack, once=once)
    when = f"round {_ONCE}" if once else "every round"
    if not played.lines:
        return Outcome(method, attack.name, when, error=played.error)
    attacked = [line for line in played.lines if not once or line["round"] == _ONCE]
    blamed = [
        f"client {p} in round {line['round']}"
        for line in [*played.lines, *played.resumed]
        for p in range(stage.honest)
        if named(line, p)
    ]
    apart, without = stage.apart(played, attack, once=once)
    return Outcome(
        method,
        attack.name,
        when,
        tuple(tuple(named(line, villain) for line in attacked) for villain in stage.villains),
        apart,
        without,
        played.error,
        ended=True,
        resumed=bool(played.resumed),
        blamed=tuple(blamed),
    )


def suits(method: str, attack: Attack) -> bool:
    """Tell whether a method's clients send what an attack changes."""
    needs: dict[str, Callable[[str], bool]] = {
        "change": changes,
        "activations": streams,
        "survey": streams,
        "keys": has_keys,
    }
    sends = attack.kind not in needs or needs[attack.kind](method)
    return sends and (attack.name != "labels" or not has_keys(method))


def main() -> int:
    """Play all attacks and print what they came to; the exit code tells whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=[*SETTINGS], choices=[*SETTINGS])
    parser.add_argument("--attacks", nargs="+", default=[*Sixteen], choices=[*Everything])
    parser.add_argument("--when", nargs="+", default=["every", "once"], choices=["every", "once"])
    parser.add_argument("--honest", type=int, default=HONEST)
    parser.add_argument("--hostile", type=int, default=1)
    parser.add_argument("--models", default="", help="of message methods, e.g. cnn,resnet4")
    options = parser.parse_args()
    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    console, begin = Console(width=200), time.perf_counter()
    outcomes: list[Outcome] = []
    console.print(
        "method | attack | when | named | test samples apart | run | resumed | honest ones"
    )
    for method in options.methods:
        with tempfile.TemporaryDirectory() as folder:
            stage = Stage(Path(folder), method, options.honest, options.hostile, options.models)
            for attack in (Everything[name] for name in options.attacks):
                for when in options.when if suits(method, attack) else ():
                    if attack.kind == "description" and when == "once":
                        continue  # it is asked for once
                    found = outcome(stage, method, attack, once=when == "once")
                    outcomes.append(found)
                    console.print(f"{found}{'' if found.good else ' | NOT WELL'}", markup=False)
    console.print(table(outcomes), markup=False, soft_wrap=True)
    bad = sum(not one.good for one in outcomes)
    console.print(f"{bad} not well, in {time.perf_counter() - begin:.0f} s")
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(main())
