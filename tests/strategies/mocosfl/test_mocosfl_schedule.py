"""Step sizes at hand-picked steps."""

import pytest

from strategies.mocosfl.schedule import cosine, decayed, passes, warmup, wave


def test_the_cosine_falls_from_its_base_to_zero() -> None:
    assert cosine(0.06, 1, 100) == 0.06
    assert cosine(0.06, 51, 100) == pytest.approx(0.03)
    assert cosine(0.06, 101, 100) == 0
    # Later than planned, it stays there instead of rising again.
    assert cosine(0.06, 150, 100) == 0
    values = [cosine(0.06, step, 100) for step in range(1, 102)]
    assert values == sorted(values, reverse=True)


def test_the_server_decays_by_version() -> None:
    assert decayed(0.06, "v2", 51, 100) == pytest.approx(0.03)
    steps = (1, 60, 61, 80, 81, 100)
    rates = [decayed(1.0, "v1", step, 100) for step in steps]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_warm_up_rises_to_all_of_it_and_stays() -> None:
    assert [warmup(step, 4) for step in (1, 2, 4, 5, 900)] == [0.25, 0.5, 1, 1, 1]
    assert warmup(1, 0) == 1


def test_the_wave_of_the_reference_has_400_steps_with_100_clients() -> None:
    # 50,000 images: 500 of each client, one per step; 100,000 steps are 200 passes.
    half = passes(100_000, 500, 1)

    assert half == 200
    assert wave(0.06, 0, half) == 0.06
    assert wave(0.06, 100, half) == pytest.approx(0.03)
    assert wave(0.06, 200, half) == pytest.approx(0)
    assert wave(0.06, 400, half) == pytest.approx(0.06)


def test_with_1000_clients_a_run_has_two_and_a_half_waves() -> None:
    # 50 images each, and each takes part in a tenth of 100,000 steps.
    half = passes(100_000, 50, 1)
    assert 10_000 / (2 * half) == 2.5


@pytest.mark.parametrize(("steps", "samples", "batch", "expected"), [(3, 50, 1, 1), (9, 2, 5, 9)])
def test_short_runs_and_few_samples_divide_nothing_by_zero(
    steps: int, samples: int, batch: int, expected: int
) -> None:
    assert passes(steps, samples, batch) == expected
