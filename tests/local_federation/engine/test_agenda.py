"""Which turn begins next."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_federation.engine import agenda
from local_federation.engine.agenda import Agenda, next_turn


def played(took: list[float], at_once: int) -> float:
    """Return when all turns have ended that are begun one by one."""
    waiting = sorted(took, reverse=True)
    ends = [0.0] * at_once
    while waiting:
        who = ends.index(min(ends))
        busy = [max(end - ends[who], 0.0) for other, end in enumerate(ends) if other != who]
        ends[who] += waiting.pop(next_turn(waiting, busy, at_once))
    return max(ends)


def soonest(took: list[float], at_once: int) -> float:
    """Return when they can have ended, whoever takes which."""
    plans = itertools.product(range(at_once), repeat=len(took))
    return min(
        max(sum(s for s, who in zip(took, plan, strict=True) if who == own) for own in plan)
        for plan in plans
    )


@given(st.lists(st.floats(0.1, 5.0), min_size=1, max_size=5), st.integers(1, 3))
def test_few_turns_end_as_soon_as_they_can(took: list[float], at_once: int) -> None:
    assert played(took, at_once) == pytest.approx(soonest(took, at_once))


def test_longest_first_would_end_later() -> None:
    # 3 + 3 against 2 + 2 + 2; longest first gives 3 + 2 + 2 against 3 + 2.
    assert played([3.0, 3.0, 2.0, 2.0, 2.0], 2) == 6.0


def test_many_turns_begin_with_the_longest() -> None:
    assert next_turn([3.0, 2.0, *[1.0] * 20], [2.0], 2) == 0
    assert next_turn([1.0] * 3, [], 1000) == 0


def test_turns_that_nobody_knows_begin_as_they_came() -> None:
    turns = Agenda(2)
    turns.add((str(number), number) for number in range(12))
    begun = []
    for _ in range(12):
        begun.append(turns.begin())
        turns.end(begun[-1])
    assert begun == [str(number) for number in range(12)]


def test_a_turn_is_expected_to_take_as_long_as_the_last_of_its_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(agenda.time, "monotonic", lambda: clock[0])
    turns, took = Agenda(1), [1.0, 3.0, 2.0]
    for expected in (["0", "1", "2"], ["1", "2", "0"]):
        turns.add((str(kind), kind) for kind in range(3))
        begun = []
        while len(begun) < 3:
            begun.append(turns.begin())
            clock[0] += took[int(begun[-1])]
            turns.end(begun[-1])
        assert begun == expected


def test_all_who_are_at_work_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    # Twenty clients of four sizes on two workers, each turn a little off what the last one took.
    draw = random.Random(0)
    clock = [0.0]
    monkeypatch.setattr(agenda.time, "monotonic", lambda: clock[0])
    turns = Agenda(2)
    usual = [size for size in (0.1, 0.13, 0.2, 0.32) for _ in range(5)]
    for round_number in range(4):
        turns.add((f"{round_number}.{kind}", kind) for kind in range(20))
        free, at_work, begun = [0.0, 0.0], dict[str, float](), 0
        clock[0] = start = 100.0 * round_number
        while begun < 20 or at_work:
            while begun < 20 and len(at_work) < 2:
                key = turns.begin()
                length = usual[int(key.split(".")[1])] * draw.uniform(0.97, 1.03)
                at_work[key], begun = clock[0] + length, begun + 1
            key = min(at_work, key=at_work.__getitem__)
            clock[0] = at_work.pop(key)
            turns.end(key)
            free = [free[1], clock[0] - start]
        if round_number:
            assert free[1] - free[0] < 0.05
