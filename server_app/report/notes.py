"""What devices, server and failures say, merged over rounds, and which of it holds still."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from server_app.progress import describe_failure
from server_app.run_record import RunRecord

MAX_REASON: Final = 1000
_MAX_SPANS: Final = 6
_MAX_NAMED: Final = 12
# A number that is no name: "client 3" and "client 4" are not the same client.
_NUMBER: Final = re.compile(
    r"(?<!client )(?<!node )(?<!class )(?<!round )(?<![\w.-])\d+(\.\d+)?(e[-+]\d+)?"
)


@final
@dataclass(frozen=True)
class Note:
    """A sentence that was said in one or several rounds.

    Attributes
    ----------
    source : str
        Who said it: ``"client 3"``, ``"clients 3, 4"``, ``"all clients"``; empty for the server.
    words : str
        What was said last; numbers in it may have differed before.
    rounds : tuple[int, ...]
        In which rounds; empty for what holds of a client whatever the round.
    holds : bool
        Whether it was said in the last round in which its source said anything.
    """

    source: str
    words: str
    rounds: tuple[int, ...]
    holds: bool

    @property
    def told(self) -> str:
        """The sentence with its source and its rounds."""
        where = ", ".join(part for part in (_spans(self.rounds), self.source) if part)
        return f"{_upper(where)}: {self.words}" if where else self.words


@final
@dataclass(frozen=True)
class _Said:
    """A note without the one who said it."""

    words: str
    rounds: tuple[int, ...]
    holds: bool


def notes(run: RunRecord) -> list[Note]:
    """Return what server and clients say, what holds first."""
    found = [
        (n, _Said(note, (), holds=True))
        for n, client in run.clients.items()
        for note in client.notes
    ]
    spoken: dict[int | None, list[tuple[int, Sequence[str]]]] = {}
    for line in run.rounds:
        spoken.setdefault(None, []).append((line.round_number, line.notes))
        for client, node in line.answered.items():
            spoken.setdefault(client, []).append((line.round_number, node.notes))
    by_said: dict[_Said, list[int]] = {}
    for source, said in (*((s, one) for s, r in spoken.items() for one in _merged(r)), *found):
        by_said.setdefault(said, []).extend([] if source is None else [source])
    known = len(run.clients)
    merged = [
        Note(_named(list(dict.fromkeys(who)), known), one.words, one.rounds, one.holds)
        for one, who in by_said.items()
    ]
    return sorted(merged, key=lambda note: not note.holds)


def failures(run: RunRecord) -> list[str]:
    """Return failures, those of one client and one reason together."""
    rounds: dict[str, list[int]] = {}
    for line in run.rounds:
        for client, reason in line.failures.items():
            told = describe_failure(client, reason, longest=MAX_REASON)
            rounds.setdefault(told, []).append(line.round_number)
    return [f"{_upper(_spans(found))}, {told}" for told, found in rounds.items()]


def _named(clients: Sequence[int], known: int) -> str:
    if len(clients) < 2:
        return "".join(f"client {client}" for client in clients)
    if len(clients) == known:
        return "all clients"
    rest = len(clients) - _MAX_NAMED
    more = f" and {rest} more" if rest > 0 else ""
    return f"clients {', '.join(map(str, clients[:_MAX_NAMED]))}{more}"


def _merged(rounds: Sequence[tuple[int, Sequence[str]]]) -> Iterator[_Said]:
    """Yield notes that differ in nothing but numbers once, with their rounds."""
    kept: dict[str, tuple[str, list[int]]] = {}
    for number, told in rounds:
        alike = Counter(_NUMBER.sub("#", note) for note in told)
        for note in told:
            shape = _NUMBER.sub("#", note)
            # Two of one shape in one round tell of two things.
            key = shape if alike[shape] == 1 else note
            kept[key] = (note, [*kept.get(key, ("", []))[1], number])
    last = rounds[-1][0]
    for words, found in kept.values():
        yield _Said(words, tuple(dict.fromkeys(found)), holds=found[-1] == last)


def _spans(rounds: Sequence[int]) -> str:
    """Write rounds as spans, counted where there are several: "rounds 2-4, 7 (4 times)"."""
    if not rounds:
        return ""
    if len(rounds) == 1:
        return f"round {rounds[0]}"
    spans: list[list[int]] = []
    for number in rounds:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    told = [str(low) if low == high else f"{low}-{high}" for low, high in spans]
    if len(told) > _MAX_SPANS:
        told = [*told[: _MAX_SPANS - 1], "…", told[-1]]
    return f"rounds {', '.join(told)} ({len(rounds)} times)"


def _upper(words: str) -> str:
    return words[:1].upper() + words[1:]
