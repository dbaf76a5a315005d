"""Questions about images as one client's data: grids of digits, and data sets of the field."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from client_app.data import copies, partition, split
from client_app.data.client_data import ClientData
from client_app.data.collection import digest_of as digest_of_labels
from client_app.data.digitgrid import benchmarks
from client_app.data.keeper import Keeper
from client_app.data.kept_split import TEST, TRAIN, Identity, digest_of
from client_app.data.left_out import explained
from client_app.data.sources import Source
from client_app.data.vqa import image_folder, tables
from client_app.data.vqa.asked import Asked
from client_app.data.vqa.labelled import Part, label
from strategies.common import seeds
from strategies.common.settings import RunSettings

# Questions about grids per client, unless ``max-samples`` says otherwise: 900 and 300.
_GRIDS = 1200


@final
@dataclass(frozen=True)
class Client:
    """Whose questions are read, out of what.

    Attributes
    ----------
    settings : RunSettings
        How many, how they are dealt and split, and how long the list of answers may be.
    source : Source
        That holds questions.
    number, num_clients : int
        Client, from 0, and clients in the federation.
    """

    settings: RunSettings
    source: Source
    number: int
    num_clients: int

    @property
    def label(self) -> str:
        """How messages name this client."""
        return self.source.who(self.number)

    def generator(self) -> torch.Generator:
        """Return what the client's questions are split by."""
        return seeds.generator(self.settings.seed, "split", partition=self.number)


def read(
    client: Client, dealt: Path, kept: Keeper | None, answers: Sequence[str] = ()
) -> ClientData:
    """Read one client's questions.

    Parameters
    ----------
    client : Client
        Whose, out of what.
    dealt : Path
        File that remembers what all clients were dealt.
    kept : Keeper | None
        Keeps the split of questions that are a device's own.
    answers : Sequence[str]
        The client's list of answers, where it is settled; empty lists the most frequent ones.

    Raises
    ------
    SettingsError
        If the benchmark is unknown.
    DataError
        If the source cannot be read, has too few questions, or none with an answer.
    """
    settings, source, who = client.settings, client.source, client.label
    if source.kind == "digitgrid":
        return _grids(settings, source.place, client.number, who)
    parts = _dealt(client, dealt) if kept is None else _own(client, kept)
    size, limit = settings.image_size, settings.max_answers
    with explained([*parts.train.asked.notes, *parts.test.asked.notes]):
        found = label(parts.train, parts.test, size, who, limit, answers)
    with explained(found.notes):
        advice = "add questions, and about more pictures"
        split.require(who, len(found.train), len(found.test), settings, advice)
    notes, data = parts.notes + found.notes, (found.train, found.test, len(found.answers))
    if kept is None:
        digest = digest_of_labels(parts.train.asked.first_words(), parts.together)
        return ClientData(*data, found.answers, notes, split=parts.split, dealt=digest)
    trained = set(found.train_rows.tolist())
    settled = kept.settle(parts.samples, parts.rows, parts.sides, trained)
    standing = dict(zip(parts.rows, settled.standing.tolist(), strict=True))
    return ClientData(
        *data,
        found.answers,
        settled.notes + notes,
        split=settled.split,
        contents=settled.contents,
        standing=torch.tensor(
            [standing[row] for row in found.train_rows.tolist()], dtype=torch.float64
        ),
        num_first_train=settled.num_first_train,
    )


@final
@dataclass(frozen=True)
class _Parts:
    train: Part
    test: Part
    notes: tuple[str, ...] = ()
    split: str = ""
    # Of a table: which of its questions are about one picture.
    together: str = ""
    # Of a folder of the device's own: all its questions, which are used, and their sides.
    samples: Sequence[Identity] = ()
    rows: Sequence[int] = ()
    sides: Sequence[int] = ()


def _grids(settings: RunSettings, benchmark: str, client: int, who: str) -> ClientData:
    num_train, num_test = split.sizes(settings.max_samples or _GRIDS, settings.test_fraction)
    split.require(who, num_train, num_test, settings, "raise max-samples")
    train, test, answers = benchmarks.client(benchmark, client, num_train, num_test, settings.seed)
    return ClientData(train, test, len(answers), answers, ())


def _dealt(client: Client, dealt: Path) -> _Parts:
    """Read a table of all clients' questions, and take a share."""
    settings, source = client.settings, client.source
    hub = source.kind == "vqa-hub"
    asked = tables.from_hub(source.place) if hub else tables.from_parquet(source.folder)
    words = asked.first_words()

    with explained(asked.notes):
        share = partition.deal(
            words,
            settings,
            client.number,
            client.num_clients,
            dealt,
            lambda: copies.numbered(asked.shown(torch.arange(len(asked)))),
        )
    split.fewest(settings)
    generator = client.generator()
    rows = share.rows[split.cut(len(share.rows), settings.max_samples, generator)]
    shown = asked.shown(rows)
    about = copies.numbered(shown)
    train, test = split.split(words[rows], settings.test_fraction, generator, about)
    # Other pictures may come under the same questions.
    whole = [asked.questions, asked.answers, rows[train].tolist(), rows[test].tolist(), shown]
    name = f"dealt:{digest_of(whole)[:16]}"
    first, second = Part(asked, rows[train]), Part(asked, rows[test])
    return _Parts(first, second, share.notes, name, share.together)


def _own(client: Client, kept: Keeper) -> _Parts:
    """Read a folder of the device's own, whose test part may stand beside it."""
    first, second = image_folder.read(client.source.folder)
    if second is None:
        samples = _identities("", first)
        seating = kept.seat(samples)
        rows, sides = (
            _first_split(client, first, samples)
            if seating is None
            else (seating.positions, [seat.side for seat in seating.seats])
        )
    else:
        samples = [*_identities("train", first), *_identities("test", second)]
        seating = kept.seat(samples, _published_side)
        rows = _first_cut(client, len(first), len(second)) if seating is None else seating.positions
        sides = [_published_side(samples[row]) for row in rows]
    used, tested = torch.tensor(rows, dtype=torch.int64), torch.tensor(sides) == TEST
    asked, start = (first, 0) if second is None else (second, len(first))
    train, test = Part(first, used[~tested]), Part(asked, used[tested] - start)
    names = [one.picture.removeprefix("/") for one in samples]
    shown = [one.group.rpartition("/")[2] for one in samples]
    notes = copies.told_of_pictures(f"{client.source.kind} {client.source.place}", names, shown)
    return _Parts(train, test, notes, samples=samples, rows=rows, sides=sides)


def _first_split(
    client: Client, asked: Asked, samples: Sequence[Identity]
) -> tuple[list[int], list[int]]:
    """Cut and split questions for the first time, by picture: rows and their sides."""
    settings, generator = client.settings, client.generator()
    split.fewest(settings)
    rows = split.cut(len(asked), settings.max_samples, generator)
    about = copies.numbered(samples[row].group for row in rows.tolist())
    _, test = split.split(asked.first_words()[rows], settings.test_fraction, generator, about)
    sides = torch.full((len(rows),), TRAIN)
    sides[test] = TEST
    return rows.tolist(), sides.tolist()


def _first_cut(client: Client, num_train: int, num_test: int) -> list[int]:
    """Cut a published split for the first time: rows of both parts, one after the other."""
    limit, counts = client.settings.max_samples, (num_train, num_test)
    if limit:
        counts = split.sizes(limit, num_test / (num_train + num_test))
    generator = client.generator()
    first = split.cut(num_train, counts[0], generator)
    second = split.cut(num_test, counts[1], generator)
    return [*first.tolist(), *(num_train + second).tolist()]


def _identities(part: str, asked: Asked) -> list[Identity]:
    """Return what each question is; those about one picture belong on one side.

    Two parts that are published are two sides, whatever pictures they share.
    """
    found = []
    shown = asked.shown(torch.arange(len(asked)))
    for row, group in enumerate(shown):
        question, picture = asked.questions[row], asked.picture(row)
        digest = digest_of([picture, question, asked.answers[row]])[:32]
        place, kin = f"{part}/{picture}", f"{part}/{group}" if part else group
        found.append(Identity(f"{place}?{question}", digest, kin, place))
    return found


def _published_side(sample: Identity) -> int:
    return TEST if sample.name.startswith("test/") else TRAIN
