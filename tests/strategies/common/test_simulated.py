"""What befalls simulated clients: drawn from seed, client and round, and from nothing else."""

import pytest
import torch

from strategies.common import seeds
from strategies.common.errors import DropoutError
from strategies.common.simulated import Conditions, SimulatedSettings

NOTHING: dict[str, float] = {
    "stragglers": 0.0,
    "straggler_factor": 1.0,
    "dropout": 0.0,
    "link_mbit": 0.0,
}


def conditions(
    waits: list[float],
    partition: int = 0,
    round_number: int = 1,
    seed: int = 0,
    min_replies: int = 1,
    **changes: float,
) -> Conditions:
    return Conditions(
        SimulatedSettings(**{**NOTHING, **changes}),
        seed=seed,
        partition=partition,
        num_partitions=10,
        round_number=round_number,
        min_replies=min_replies,
        wait=waits.append,
    )


def missing(
    seed: int = 0, chance: float = 0.3, rounds: int = 100, min_replies: int = 1
) -> set[tuple[int, int]]:
    found = set()
    for partition in range(10):
        for round_number in range(1, rounds + 1):
            befalls = conditions([], partition, round_number, seed, min_replies, dropout=chance)
            try:
                befalls.require_presence()
            except DropoutError:
                found.add((partition, round_number))
    return found


def drawn(round_number: int) -> list[float]:
    """Draw by hand for each client."""
    return [
        torch.rand(
            (),
            generator=seeds.generator(
                0, "simulated dropout", round_number=round_number, partition=partition
            ),
        ).item()
        for partition in range(10)
    ]


def slow(seed: int = 0, round_number: int = 1) -> list[int]:
    return [
        partition
        for partition in range(10)
        if conditions([], partition, round_number, seed, stragglers=0.3).is_straggler()
    ]


def test_defaults_do_nothing() -> None:
    waits: list[float] = []
    usual = conditions(waits, straggler_factor=9.0)
    usual.require_presence()
    usual.prolong(5.0)
    usual.transmit(10**9)
    assert waits == []


def test_the_share_of_stragglers_is_kept_for_the_whole_run() -> None:
    assert len(slow()) == 3
    assert slow(round_number=7) == slow()
    assert {tuple(slow(seed)) for seed in range(9)} > {tuple(slow())}
    everybody = [conditions([], p, stragglers=1.0).is_straggler() for p in range(10)]
    assert everybody == [True] * 10


def test_training_takes_a_straggler_so_many_times_as_long() -> None:
    waits: list[float] = []
    for partition in range(10):
        conditions(waits, partition, stragglers=0.3, straggler_factor=4.0).prolong(2.0)
    assert waits == [6.0, 6.0, 6.0]


def test_bytes_take_their_time_on_everybodys_link() -> None:
    waits: list[float] = []
    conditions(waits, link_mbit=8.0).transmit(500_000)
    assert waits == [0.5]


def test_dropouts_are_drawn_by_seed_client_and_round() -> None:
    # 1000 draws of 0.3: three deviations are 0.043.
    assert len(missing()) == pytest.approx(300, abs=44)
    assert missing() == missing()
    assert missing(seed=1) != missing()
    assert len({partition for partition, _ in missing()}) == 10
    # Whoever drops out at a small chance does at a larger one.
    assert missing(chance=0.1) < missing()


@pytest.mark.parametrize(("chance", "min_replies"), [(0.3, 1), (0.3, 8), (0.95, 1), (0.95, 3)])
def test_as_many_clients_as_a_round_needs_stay_and_they_are_those_with_the_largest_draws(
    chance: float, min_replies: int
) -> None:
    away = missing(chance=chance, rounds=20, min_replies=min_replies)
    rescued = 0
    for round_number in range(1, 21):
        draws = drawn(round_number)
        absent = {p for p in range(10) if (p, round_number) in away}
        asked = {p for p in range(10) if draws[p] < chance}
        if 10 - len(asked) >= min_replies:
            # A round that can be played is as it was drawn.
            assert absent == asked
        else:
            rescued += 1
            assert absent == set(sorted(range(10), key=draws.__getitem__)[: 10 - min_replies])
    assert rescued > 0 or (chance, min_replies) == (0.3, 1)


def test_nobody_drops_out_where_all_are_needed() -> None:
    assert missing(chance=0.9, rounds=5, min_replies=10) == set()


def test_a_dropout_is_named() -> None:
    partition, round_number = min(missing())
    with pytest.raises(DropoutError) as caught:
        conditions([], partition, round_number, dropout=0.3).require_presence()
    assert str(caught.value) == "simulated dropout (simulated.dropout=0.3)"
