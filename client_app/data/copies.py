"""Samples that are exact copies of one another: who tests on a copy tests on what was learnt."""

import hashlib
from collections.abc import Hashable, Iterable, Sequence

import torch
from torch import Tensor

from client_app.data.left_out import some

# From so many samples, of which this share is unlike all others, copies are no chance.
_TELLING, _UNLIKE = 10, 0.9


def numbered(what: Iterable[Hashable]) -> Tensor:
    """Return a number for each, equal ones the same, in the order in which they first come.

    Examples
    --------
    >>> numbered(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    numbers: dict[Hashable, int] = {}
    return torch.tensor([numbers.setdefault(one, len(numbers)) for one in what], dtype=torch.int64)


def groups(inputs: Tensor) -> Tensor:
    """Return a number for each input, the same for exact copies.

    Parameters
    ----------
    inputs : Tensor
        (samples, ...) of any type, as a model is given them.

    Returns
    -------
    Tensor
        (samples,) int64, as :func:`numbered` has it.
    """
    return numbered(digests(inputs))


def digests(inputs: Tensor) -> list[bytes]:
    """Return a digest of each input, equal for exact copies."""
    rows = inputs.flatten(1).numpy() if len(inputs) else ()
    return [hashlib.sha256(row.tobytes()).digest() for row in rows]


def firsts(group: Tensor) -> Tensor:
    """Return the position at which each group first comes: (groups,) int64, by number."""
    found: dict[int, int] = {}
    for position, number in enumerate(group.tolist()):
        found.setdefault(number, position)
    return torch.tensor([found[number] for number in range(len(found))], dtype=torch.int64)


def together(sides: Sequence[int], known: Sequence[bool], group: Sequence[Hashable]) -> list[int]:
    """Return the side of each sample, newcomers where what they copy is.

    Whoever is known stays. A newcomer goes where known copies of it are, else where its like go;
    to train on if they are on both sides, since that cannot be unlearnt.

    Parameters
    ----------
    sides : Sequence[int]
        Where each would be for itself, ``TRAIN`` or ``TEST``.
    known : Sequence[bool]
        Whether it was there before.
    group : Sequence[Hashable]
        Equal for copies.
    """
    lowest: dict[tuple[Hashable, bool], int] = {}
    for side, is_known, one in zip(sides, known, group, strict=True):
        lowest[one, is_known] = min(side, lowest.get((one, is_known), side))
    return [
        side if is_known else lowest.get((one, True), lowest[one, False])
        for side, is_known, one in zip(sides, known, group, strict=True)
    ]


def alike(places: Tensor | None, group: Tensor) -> Tensor:
    """Return places by which samples are drawn, the same for all copies.

    Parameters
    ----------
    places : Tensor | None
        (samples,) float64, each sample's own, as ``keeper.Settled`` has it; ``None`` numbers
        groups.
    group : Tensor
        (samples,) int64, as :func:`groups` has it.
    """
    if places is None:
        return group.to(torch.float64)
    chosen: dict[int, float] = {}
    for number, place in zip(group.tolist(), places.tolist(), strict=True):
        # What was there first stays; numbers below 0 are of those that came later.
        chosen[number] = min((chosen.get(number, place), place), key=lambda one: (one < 0, one))
    return torch.tensor([chosen[number] for number in group.tolist()], dtype=torch.float64)


def told(where: str, train: Sequence[Hashable], test: Sequence[Hashable]) -> tuple[str, ...]:
    """Return a sentence that counts copies, and those that are tested on what they copy.

    Parameters
    ----------
    where : str
        Names the source.
    train, test : Sequence[Hashable]
        Of a client's samples on either side, equal for exact copies.

    Returns
    -------
    tuple[str, ...]
        None where there is nothing to count.
    """
    total = len(train) + len(test)
    extra = total - len({*train, *test})
    if not extra:
        return ()
    across = _across(train, test)
    sides = f"{across} of {len(test)} to test on are copies of ones to train on" if across else ""
    kept = sides or "each is on one side with what it copies"
    return (f"{where}: {extra} of {total} samples are exact copies of others; {kept}",)


def are_telling(samples: Sequence[Hashable]) -> bool:
    """Tell whether samples are so many and so unlike that none is another's copy by chance.

    Short texts, and rows of columns with few values, repeat themselves.
    """
    return len(samples) >= _TELLING and len(set(samples)) >= _UNLIKE * len(samples)


def told_of_open(
    own: Sequence[Hashable], opened: Sequence[Hashable], *, is_parted: bool
) -> tuple[str, ...]:
    """Return a sentence that counts a client's samples that are among the open ones, if any are.

    Parameters
    ----------
    own, opened : Sequence[Hashable]
        Of all its samples, to train and to test on, and of the open ones; equal for exact copies.
    is_parted : bool
        Whether both come of one source, in which no open sample is a client's.
    """
    there = set(opened)
    if not (found := sum(one in there for one in own)):
        return ()
    said = (
        f"open data: {found} of the {len(own)} samples of this client's own are exact copies of "
        f"open ones, from which all clients learn"
    )
    return (f"{said}: {'the source repeats itself' if is_parted else 'the files may be the same'}",)


def told_of_questions(
    where: str, train: Sequence[Hashable], test: Sequence[Hashable]
) -> tuple[str, ...]:
    """Return a sentence on questions whose picture is on both sides; parameters as above.

    Several questions about one picture are no copies.
    """
    if not (across := _across(train, test)):
        return ()
    pictures = f"{across} of {len(test)} questions to test on are about pictures that"
    return (f"{where}: {pictures} are trained on, too",)


def _across(train: Sequence[Hashable], test: Sequence[Hashable]) -> int:
    known = set(train)
    return sum(one in known for one in test)


def told_of_pictures(where: str, names: Sequence[str], shown: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence on pictures that show what others show, under other names.

    Parameters
    ----------
    where : str
        Names the source.
    names : Sequence[str]
        Of the picture of each question.
    shown : Sequence[str]
        What it shows, equal for exact copies.
    """
    first: dict[str, str] = {}
    others = {
        name: None
        for name, one in zip(names, shown, strict=True)
        if first.setdefault(one, name) != name
    }
    every = len(set(names))
    if not others:
        return ()
    copies = f"{len(others)} of {every} pictures are exact copies of others ({some(list(others))})"
    return (f"{where}: {copies}",)
