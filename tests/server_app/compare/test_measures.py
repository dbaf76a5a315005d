"""One run in numbers."""

import pytest

from server_app.compare.measures import measure
from server_app.run_record import read_run_record
from tests.server_app.run_folders import failed_round, node, round_of


@pytest.fixture
def six(runs):
    """Six rounds, of which the fourth has no accuracy."""
    lines = [round_of(n, (n / 10, n / 10)) for n in range(1, 7)]
    lines[3] = failed_round(4, {0: "gone", 1: "gone"})
    return measure(read_run_record(runs.add("fedktl", 0, lines)))


def test_accuracy_of_the_last_round_and_of_the_last_five_that_have_one(six):
    assert six.last == pytest.approx(0.6)
    # Rounds 1, 2, 3, 5 and 6.
    assert six.settled == pytest.approx((1 + 2 + 3 + 5 + 6) / 50)
    assert six.clients == pytest.approx({0: 0.34, 1: 0.34})


def test_bytes_and_seconds_add_up(six):
    # Up 1 and 2 kB, down twice 40 kB, in each round that was answered.
    assert [point.exchanged for point in six.curve] == [83_000 * n for n in (1, 2, 3, 4, 5)]
    assert six.exchanged == 5 * 83_000
    assert sorted(set(six.uplink_bytes)) == [1000, 2000]
    # Four seconds a round, of which one waits for clients to connect; the lost round took as long.
    assert [point.seconds for point in six.curve] == [3, 6, 9, 15, 18]
    assert (six.seconds, six.device_seconds, six.cpu_seconds) == (18, 5 * 2 * 2.5, None)


def test_the_first_round_that_is_accurate_enough(six):
    assert six.reaching(0.3).round_number == 3
    assert six.reaching(0.35).round_number == 5
    assert six.reaching(0.61) is None


def test_the_worst_client_is_that_of_the_last_round(runs):
    lines = [round_of(1, (0.1, 0.9)), round_of(2, (0.8, 0.7))]
    assert measure(read_run_record(runs.add("fedktl", 0, lines))).worst == 0.7


def test_cpu_seconds_are_told_where_every_device_measures_them(runs):
    told = {"0": node(0, 0.5, figures={"cpu_s": 1.5}), "1": node(1, 0.5, figures={"cpu_s": 2.0})}
    lines = [round_of(1, (0.5, 0.5), nodes=told), round_of(2, (0.5, 0.5), nodes=told)]
    assert measure(read_run_record(runs.add("fedktl", 0, lines))).cpu_seconds == 7.0
    cannot_tell = {"0": told["0"], "1": node(1, 0.5, figures={"cpu_s": 0.0})}
    silent = [*lines, round_of(3, (0.5, 0.5), nodes=cannot_tell)]
    assert measure(read_run_record(runs.add("fedktl", 1, silent))).cpu_seconds is None


def test_a_run_without_rounds_has_nothing_to_tell(runs):
    found = measure(read_run_record(runs.add("fedktl", 0, ())))
    assert (found.last, found.settled, found.worst) == (None, None, None)
    assert (found.exchanged, found.clients, found.reaching(0.1)) == (0, {}, None)
