"""Seats by hand, and the property that counts: nobody moves because others come or go."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_app.data import kept_split
from client_app.data.kept_split import TEST, TRAIN, UNREAD, Identity, KeptSplit, dealer
from strategies.common.errors import StoreError

DEAL = dealer(0, 0, 0.25)


def sample(name: str, contents: str = "") -> Identity:
    digest = contents or f"of {name}"
    return Identity(name, digest, digest)


def sides(kept: KeptSplit, samples: list[Identity], limit: int = 0) -> dict[str, int]:
    seating = kept.seat(samples, limit, DEAL)
    pairs = zip(seating.positions, seating.seats, strict=True)
    return {samples[position].name: seat.side for position, seat in pairs}


def first(names: str) -> KeptSplit:
    """Train on small letters and test on capitals."""
    dealt = [TRAIN if name.islower() else TEST for name in names]
    return KeptSplit.first([sample(n) for n in names], dealt, [side == TRAIN for side in dealt])


subsets = st.lists(st.sets(st.integers(0, 40), min_size=1), min_size=1, max_size=6)


@given(st.sets(st.integers(0, 40), min_size=2), subsets, st.integers(0, 12))
@settings(max_examples=40, deadline=None)
def test_whatever_comes_and_goes_nobody_moves(
    begun: set[int], later: list[set[int]], limit: int
) -> None:
    names = [str(n) for n in sorted(begun)][: limit or None]
    dealt = [n % 3 == 0 for n in range(len(names))]
    kept = KeptSplit.first([sample(n) for n in names], dealt, [not side for side in dealt])
    known = dict(zip(names, dealt, strict=True))
    for there in later:
        samples = [sample(str(n)) for n in sorted(there)]
        seating = kept.seat(samples, limit, DEAL)
        found = sides(kept, samples, limit)
        assert all(side == known.setdefault(name, side) for name, side in found.items())
        # Known ones first, and every one that is there is used or beyond the limit.
        assert len(found) == min(len(samples), limit or len(samples))
        assert sorted([*seating.positions, *seating.beyond]) == list(range(len(samples)))
        kept = kept.joined(samples, seating)
        assert len({seat.sample for seat in kept.seats}) == len(kept.seats)


def test_a_limit_keeps_those_that_were_there_whoever_comes() -> None:
    kept = first("abC")
    many = [sample(name) for name in "0123456789abC"]
    assert sides(kept, many, 3) == {"a": TRAIN, "b": TRAIN, "C": TEST}
    # One that is gone leaves its seat to a newcomer, and has it back before any other.
    less = kept.seat([s for s in many if s.name != "a"], 3, DEAL)
    assert (less.added, less.gone, len(less.beyond)) == (1, 1, 9)
    joined = kept.joined([s for s in many if s.name != "a"], less)
    assert set(sides(joined, many, 3)) == {"a", "b", "C"}


def test_new_samples_are_dealt_by_what_they_are_alone() -> None:
    new = [sample(f"n{number}") for number in range(400)]
    alone = {s.name: sides(first("aB"), [s])[s.name] for s in new}
    assert sides(first("aB"), new) == alone
    # A quarter, give or take what 400 draws may differ by.
    assert 70 < sum(side == TEST for side in alone.values()) < 130
    others = dealer(1, 0, 0.25)
    assert [others(s) for s in new] != [DEAL(s) for s in new]


@pytest.mark.parametrize(
    ("there", "told"),
    [
        # Renamed, and two that swapped their names: contents count.
        ([sample("x", "of a"), sample("B")], {"x": TRAIN, "B": TEST}),
        ([sample("a", "of B"), sample("B", "of a")], {"a": TEST, "B": TRAIN}),
        # Edited in place: the name counts.
        ([sample("a"), sample("B", "other")], {"a": TRAIN, "B": TEST}),
        # Overwritten by a copy of what is learnt from, and a copy under a new name.
        ([sample("a"), sample("B", "of a")], {"a": TRAIN, "B": TRAIN}),
        ([sample("a"), sample("c", "of B")], {"a": TRAIN, "c": TEST}),
    ],
)
def test_what_has_been_learnt_from_is_not_tested_on(
    there: list[Identity], told: dict[str, int]
) -> None:
    kept = first("aB")
    assert sides(kept, there) == told
    # It holds for what it was called before, too.
    joined = kept.joined(there, kept.seat(there, 0, DEAL))
    assert sides(joined, there) == told
    assert sides(joined, [sample("a"), sample("B")]) == {"a": TRAIN, "B": TEST}


def test_places_of_the_first_split_stay_and_newcomers_have_none() -> None:
    kept = first("abCd")
    assert [seat.place for seat in kept.seats] == [0, 1, -1, 2]
    there = [sample("d"), sample("e")]
    joined = kept.joined(there, kept.seat(there, 0, lambda _: TRAIN))
    assert [seat.place for seat in joined.seats] == [0, 1, -1, 2, -1]
    assert joined.num_first_train == 3
    assert joined.name == kept.name
    assert first("abCD").name != kept.name


def test_a_split_is_read_back_whatever_its_names_are_made_of(tmp_path: Path) -> None:
    path = tmp_path / "splits" / "0.safetensors"
    assert kept_split.read(path) is None
    names = [sample("caf\udce9.png"), sample("e\u0301\n.png")]
    kept = KeptSplit.first(names, [UNREAD, TEST], [False, False])
    renamed = [sample("caf\udcea.png", names[0].digest), names[1]]
    kept = kept.joined(renamed, kept.seat(renamed, 0, DEAL))
    assert kept.seats[0].former == (names[0],)
    kept_split.write(path, kept)
    assert kept_split.read(path) == kept
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match=r"0\.safetensors"):
        kept_split.read(path)
