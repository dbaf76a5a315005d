"""Keeps the split of a source of a device's own beside its prepared data.

``prepared/`` may be deleted at any time; ``splits/`` may not, since samples that a model has
learnt from could then be dealt to its test.
"""

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from client_app.data import kept_split
from client_app.data.kept_split import TEST, TRAIN, UNREAD, Identity, KeptSplit, Seat, Seating
from client_app.data.sources import Source
from strategies.common.errors import StoreError
from strategies.common.settings import RunSettings

FOLDER = "splits"


@final
@dataclass(frozen=True)
class Settled:
    """What is known of a client's samples once each has its side.

    Attributes
    ----------
    standing : Tensor
        (rows,) float64: a sample's place among the training samples of the first split, or the
        negative of a number in (0, 1] for one that came later; what else is drawn of training
        samples goes by it, so that it holds for a sample whatever comes and goes. All of one
        group, such as all questions about one picture, have the same and count as one.
    num_first_train : int
        Training samples of the first split.
    split, contents : str
        Short names of the first split and of the samples there are now.
    notes : tuple[str, ...]
        What came and went, in plain sentences.
    """

    standing: Tensor
    num_first_train: int
    split: str
    contents: str
    notes: tuple[str, ...]


@final
class Keeper:
    """The split of one client's own source.

    Parameters
    ----------
    settings : RunSettings
        Seed, test fraction and limit: another of these is another split, with a file of its own.
    source : Source
        Where the samples are from.
    client : int
        Whose they are.
    folder : Path
        Holds the splits of this device.
    """

    def __init__(self, settings: RunSettings, source: Source, client: int, folder: Path) -> None:
        # As it is named: what a link of that name points to may be another copy of the same.
        place = os.path.abspath(source.folder)  # noqa: PTH100 - resolve() would follow links
        chosen = [settings.seed, settings.test_fraction, settings.max_samples]
        if source.is_pooled:  # texts are told apart as far as they are read
            chosen.append(settings.text_length)
        key = kept_split.digest_of([source.kind, place, *chosen])[:16]
        self._path = folder / key / f"{client}.safetensors"
        self._kind = source.kind
        self._limit = settings.max_samples
        self._deal = kept_split.dealer(settings.seed, client, settings.test_fraction)
        self._client, self._seed = client, settings.seed
        self._notes: tuple[str, ...] = ()
        self._kept: KeptSplit | None = None
        self._seating: Seating | None = None

    @property
    def split(self) -> str:
        """Short name of the split that is kept; empty for none, or for one that is damaged."""
        # Every message of a run asks: thousands of seats need not be made for it.
        with suppress(StoreError):
            return f"kept:{name}" if (name := kept_split.read_name(self._path)) else ""
        return ""

    def seat(
        self,
        samples: Sequence[Identity],
        published: Callable[[Identity], int] | None = None,
    ) -> Seating | None:
        """Seat all samples of the source, once; ``None`` if their first split is yet to be dealt.

        Parameters
        ----------
        samples : Sequence[Identity]
            All that are there.
        published : Callable[[Identity], int] | None
            Gives the side of each, where the source itself splits them. Where it puts one that is
            known on the other side, it counts, and all is begun anew.
        """
        self._kept = self._read()
        if self._kept is None:
            return None
        seating = self._kept.seat(samples, self._limit, published or self._deal)
        if published is not None:
            pairs = zip(seating.positions, seating.seats, strict=True)
            if crossed := sum(published(samples[position]) != s.side for position, s in pairs):
                self._notes += (
                    f"{self._kind}: {_count(crossed, 'sample')} published on the other side than "
                    f"before; models of earlier runs may have learnt from what is tested on now",
                )
                self._kept = None
                return None
        self._seating = seating
        return seating

    def side(self, sample: Identity, seat: Seat) -> int:
        """Return the side of a sample that could be read, though it may not have been before."""
        return self._deal(sample) if seat.side == UNREAD else seat.side

    def settle(
        self,
        samples: Sequence[Identity],
        rows: Sequence[int],
        sides: Sequence[int],
        trained: Collection[int] | None = None,
    ) -> Settled:
        """Write down which side samples are on.

        Parameters
        ----------
        samples : Sequence[Identity]
            All of the source.
        rows : Sequence[int]
            Which of them are used, ascending.
        sides : Sequence[int]
            Side of each of these; ``UNREAD`` for one that could not be read.
        trained : Collection[int] | None
            The rows that are learnt from; ``None`` for all on that side.

        Raises
        ------
        StoreError
            If they cannot be written.
        """
        used = [samples[row] for row in rows]
        before, seating = self._kept, self._seating
        if before is None or seating is None:
            is_trained = [
                side == TRAIN and (trained is None or row in trained)
                for row, side in zip(rows, sides, strict=True)
            ]
            kept = KeptSplit.first(used, sides, is_trained)
            seats, notes = list(kept.seats), self._notes
        else:
            seats = [
                replace(seat, side=side) if seat.side == UNREAD or index < 0 else seat
                for seat, side, index in zip(seating.seats, sides, seating.indices, strict=True)
            ]
            kept = before.joined(samples, replace(seating, seats=seats))
            notes = (*self._notes, *self._told(seating, sides))
        if kept != before:
            kept_split.write(self._path, kept)
        pairs = list(zip(used, sides, strict=True))
        standing, num_first_train = self._standings(kept, seats)
        return Settled(
            torch.tensor(standing, dtype=torch.float64),
            num_first_train,
            f"kept:{kept.name}",
            kept_split.digest_of(sorted((one.digest, side) for one, side in pairs))[:16],
            notes,
        )

    def _standings(self, kept: KeptSplit, seats: Sequence[Seat]) -> tuple[list[float], int]:
        """Return the standing of seats, and how many first training samples it goes by."""
        first = kept.first_train
        found: dict[str, float] = {}
        for seat in first:
            found.setdefault(seat.known_as[-1].group, float(len(found)))
        count = len(found)
        for seat in (*first, *kept.seats):
            # By what it was first: who edits a picture moves none of its questions.
            own = [known.group for known in reversed(seat.known_as)]
            earlier = [found[group] for group in own if group in found]
            one = earlier[0] if earlier else self._drawn(seat.known_as[-1])
            for group in own:
                found.setdefault(group, one)
        return [found[seat.known_as[-1].group] for seat in seats], count

    def _drawn(self, sample: Identity) -> float:
        what = f"{sample.name}/{sample.digest}"
        return kept_split.drawn(self._seed, "validation", self._client, what) - 1.0

    def _told(self, seating: Seating, sides: Sequence[int]) -> tuple[str, ...]:
        pairs = zip(seating.indices, sides, strict=True)
        fresh = [side for index, side in pairs if index < 0 and side != UNREAD]
        told = []
        if fresh:
            told.append(f"{_count(len(fresh), 'new sample')}, {fresh.count(TEST)} to test on")
        if seating.gone:
            are = "is" if seating.gone == 1 else "are"
            told.append(f"{_count(seating.gone, 'sample')} that {are} there no more")
        return (f"{self._kind}: {'; '.join(told)}",) if told else ()

    def _read(self) -> KeptSplit | None:
        try:
            return kept_split.read(self._path)
        except StoreError as error:
            self._notes = (
                f"{error}; the split was dealt anew: models of earlier runs may have learnt from "
                f"what is tested on now",
            )
            return None


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
