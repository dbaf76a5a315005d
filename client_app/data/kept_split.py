"""Which side each of a client's samples is on, for as long as its state folder lives.

The first split is dealt as ``split.py`` deals it, and kept in a file that names every sample by
what it is. Samples that come later are dealt by a hash of seed and sample, whatever else comes or
goes; what is gone keeps its seat, in case it comes back.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from strategies.common import seeds, tensor_file
from strategies.common.errors import StoreError

# Sides; a sample that could not be read has a seat that counts for ``max-samples``, and no side.
TRAIN, TEST, UNREAD = 0, 1, 2


@final
@dataclass(frozen=True)
class Identity:
    """What a sample is, whatever its position.

    Attributes
    ----------
    name : str
        Where it stands in the source: a path, or a picture and a question.
    digest : str
        Of its contents.
    group : str
        What samples share that belong on one side: equal for exact copies, of questions for all
        about one picture.
    picture : str
        Of a question, where its picture stands in the source.
    """

    name: str
    digest: str
    group: str
    picture: str = ""

    @property
    def groups(self) -> tuple[str, ...]:
        """What it shares with its like, the surest first."""
        return (self.group, self.picture) if self.picture else (self.group,)


@final
@dataclass(frozen=True)
class Seat:
    """A sample with its side.

    Attributes
    ----------
    sample : Identity
        What it is.
    side : int
        ``TRAIN``, ``TEST`` or ``UNREAD``.
    place : int
        Among the training samples of the first split; -1 for all others.
    former : tuple[Identity, ...]
        What it was before it was renamed or edited.
    """

    sample: Identity
    side: int
    place: int = -1
    former: tuple[Identity, ...] = ()

    @property
    def known_as(self) -> tuple[Identity, ...]:
        """All that it is and was."""
        return (self.sample, *self.former)


@final
@dataclass(frozen=True)
class Seating:
    """Where the samples that are there now sit.

    Attributes
    ----------
    positions : list[int]
        Those that are used, ascending.
    seats : list[Seat]
        Theirs, in the same order.
    indices : list[int]
        Which of the kept seats these are; -1 for new ones.
    beyond : list[int]
        Those that a limit leaves out.
    added, gone : int
        Samples used that are new, and those that were used before and are not there any more.
    """

    positions: list[int]
    seats: list[Seat]
    indices: list[int]
    beyond: list[int]
    added: int = 0
    gone: int = 0

    def is_known(self, place: int) -> bool:
        """Tell whether one of the positions is of a sample that has had a side before."""
        return self.indices[place] >= 0 and self.seats[place].side != UNREAD


@final
@dataclass(frozen=True)
class KeptSplit:
    """All seats that were ever given to a client's samples of one source.

    Attributes
    ----------
    seats : tuple[Seat, ...]
        In the order in which they were given.
    name : str
        Short, and another for another first split.
    """

    seats: tuple[Seat, ...]
    name: str

    @classmethod
    def first(
        cls, samples: Sequence[Identity], sides: Sequence[int], trained: Sequence[bool]
    ) -> "KeptSplit":
        """Keep the first split: samples, their sides, and which of them are learnt from."""
        seats: list[Seat] = []
        num_train = 0
        for sample, side, is_trained in zip(samples, sides, trained, strict=True):
            seats.append(Seat(sample, side, num_train if is_trained else -1))
            num_train += is_trained
        return cls(tuple(seats), digest_of(sorted((*_row(s.sample), s.side) for s in seats))[:16])

    @property
    def num_first_train(self) -> int:
        """Training samples of the first split."""
        return len(self.first_train)

    @property
    def first_train(self) -> list[Seat]:
        """Training samples of the first split, in the order of their places."""
        return sorted((seat for seat in self.seats if seat.place >= 0), key=lambda s: s.place)

    def seat(
        self, samples: Sequence[Identity], limit: int, deal: Callable[[Identity], int]
    ) -> Seating:
        """Seat samples: those that are known where they sat, new ones with their like.

        Parameters
        ----------
        samples : Sequence[Identity]
            All that are there.
        limit : int
            Most that are used, those seated first before others; 0 uses all.
        deal : Callable[[Identity], int]
            Gives the side of a new sample none of whose group is known.
        """
        found = _match(self.seats, samples)
        known = sorted(found, key=lambda position: found[position])
        # By what they are, so that no other sample decides which of them a limit admits.
        new = sorted(set(range(len(samples))) - found.keys(), key=lambda p: _row(samples[p]))
        order = [*known, *new]
        positions = sorted(order[: limit or None])
        sides = self._sides_of_new(samples, found)
        seats = []
        for position in positions:
            sample = samples[position]
            if position in found:
                seats.append(self.seats[found[position]])
            else:
                side = sides.get(sample.group)
                seats.append(Seat(sample, deal(sample) if side is None else side))
        there = set(found.values())
        return Seating(
            positions,
            seats,
            [found.get(position, -1) for position in positions],
            beyond=sorted(order[len(positions) :]),
            added=sum(position not in found for position in positions),
            gone=sum(s.side != UNREAD and i not in there for i, s in enumerate(self.seats)),
        )

    def joined(self, samples: Sequence[Identity], seating: Seating) -> "KeptSplit":
        """Return this with the seats that samples have at last, under the names they have."""
        kept = list(self.seats)
        for position, seat, index in zip(
            seating.positions, seating.seats, seating.indices, strict=True
        ):
            sample = samples[position]
            former = tuple(one for one in seat.known_as if one != sample)
            placed = replace(seat, sample=sample, former=former)
            if index < 0:
                kept.append(placed)
            else:
                kept[index] = placed
        return replace(self, seats=tuple(kept))

    def _sides_of_new(
        self, samples: Sequence[Identity], found: Mapping[int, int]
    ) -> dict[str, int]:
        """Return where groups belong; to train on if any of it is, since that cannot be unlearnt.

        By what its samples are and were; else by what else they share with those that are known.
        """
        sides: dict[str, int] = {}
        there = {index: samples[position] for position, index in found.items()}
        for index, seat in enumerate(self.seats):
            known_as = (*seat.known_as, *((there[index],) if index in there else ()))
            for group in {group for one in known_as for group in one.groups}:
                if seat.side != UNREAD:
                    sides[group] = min(seat.side, sides.get(group, TEST))
        surest = dict(sides)
        for sample in samples:
            if sample.group not in sides and sample.picture in sides:
                known = sides[sample.picture]
                surest[sample.group] = min(known, surest.get(sample.group, TEST))
        return surest


def dealer(seed: int, client: int, test_fraction: float) -> Callable[[Identity], int]:
    """Return what deals new samples by a hash of the seed and their group alone."""
    return lambda sample: (
        TEST if drawn(seed, "split", client, sample.group) < test_fraction else TRAIN
    )


def drawn(seed: int, purpose: str, client: int, what: str) -> float:
    """Return a number in [0, 1) that follows from what it is drawn for and from nothing else."""
    return seeds.derive(seed, f"{purpose} of {digest_of(what)}", partition=client) / 2.0**63


def digest_of(value: object) -> str:
    """Return the SHA-256 of anything that JSON holds, whatever its text is made of."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def read(path: Path) -> KeptSplit | None:
    """Read what :func:`write` wrote; ``None`` if there is no file.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    if not path.exists():
        return None
    _, text = tensor_file.read(path)
    try:
        return KeptSplit(tuple(map(_seat, json.loads(text["seats"]))), text["name"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: expected a split that was kept, got {error!r}") from None


def read_name(path: Path) -> str:
    """Return the name of the split in a file; empty if there is no file.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    return tensor_file.read(path)[1].get("name", "") if path.exists() else ""


def write(path: Path, kept: KeptSplit) -> None:
    """Write a split to a file, whole or not at all.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    rows = [
        [*_row(seat.sample), seat.side, seat.place, [_row(one) for one in seat.former]]
        for seat in kept.seats
    ]
    tensor_file.write(path, {}, {"seats": json.dumps(rows), "name": kept.name})


def _match(seats: Sequence[Seat], samples: Sequence[Identity]) -> dict[int, int]:
    """Return the seat of each position that is known.

    As it stands; else by its contents, under another name; else by its name, if the new contents
    are nobody else's. Every seat is one sample's. A question about a picture that was overwritten
    by a copy of another is none of these, and goes where that picture is.
    """
    found: dict[int, int] = {}
    contents = {one.digest for seat in seats for one in seat.known_as}
    pictures = {one.group for seat in seats for one in seat.known_as if one.picture}

    def is_others(seat: Seat, sample: Identity) -> bool:
        """Tell whether a question's picture shows what that of others does, and not its own."""
        own = {one.group for one in seat.known_as if one.picture}
        return bool(own) and sample.group in pictures and sample.group not in own

    keys: tuple[Callable[[Identity], Hashable], ...] = (
        lambda one: (one.name, one.digest),
        lambda one: one.digest,
        lambda one: one.name,
    )
    for by_name, key in zip((False, False, True), keys, strict=True):
        free: dict[Hashable, list[int]] = defaultdict(list)
        taken = set(found.values())
        for index in reversed(range(len(seats))):
            if index not in taken:
                for known in dict.fromkeys(map(key, seats[index].known_as)):
                    free[known].append(index)
        for position, sample in enumerate(samples):
            if position in found or (by_name and sample.digest in contents):
                continue
            candidates = free[key(sample)]
            while candidates and candidates[-1] in taken:
                candidates.pop()
            if candidates and not is_others(seats[candidates[-1]], sample):
                found[position] = candidates.pop()
                taken.add(found[position])
    return found


def _row(sample: Identity) -> tuple[str, ...]:
    return sample.name, sample.digest, *sample.groups


def _seat(row: Sequence[object]) -> Seat:
    *first, side, place, former = row
    if side not in (TRAIN, TEST, UNREAD) or not isinstance(place, int):
        raise ValueError(f"side {side!r}, place {place!r}")
    earlier = tuple(Identity(*map(str, one)) for one in former)  # type: ignore[attr-defined]
    return Seat(Identity(*map(str, first)), int(side), place, earlier)
