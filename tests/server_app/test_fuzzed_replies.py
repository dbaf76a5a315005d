"""Whatever reports, descriptions and uploads say: refused by name, and the round goes on."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import strategies as st

from benchmarks import fuzz_replies as fuzz
from strategies.common.transport.control import Description, Report


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("flwr")
    level = logger.level
    fuzz.quiet()
    yield
    logger.setLevel(level)


def test_records_are_refused_by_name_or_taken_in() -> None:
    taken: list[bool] = []
    for kind, honest in ((Report, fuzz.report()), (Description, fuzz.description(7))):
        assert fuzz.check_record(kind, honest)
        fuzz.run(
            lambda values, kind=kind: taken.append(fuzz.check_record(kind, values)),
            fuzz.mutants(honest),
            120,
            # How many of random ones are taken in differs from one time to the next.
            is_repeatable=True,
        )
    # A fuzz that everything refuses would search nothing, and so would one that nothing refuses.
    assert 5 < sum(taken) < len(taken) - 5


def test_descriptions_meet_in_a_roster() -> None:
    fuzz.run(
        fuzz.check_roster, st.lists(fuzz.mutants(fuzz.description(7)), min_size=1, max_size=3), 25
    )


def test_whole_rounds_go_on() -> None:
    fuzz.run(fuzz.Rounds().check, st.tuples(fuzz.hostile(3), fuzz.hostile(4)).map(list), 15)
