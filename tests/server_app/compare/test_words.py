"""What a comparison may claim."""

import sys

import pytest

from server_app.compare.words import interval, limits, points, verdicts
from tests.server_app.run_folders import round_of


def _play(runs, mine, theirs, method="fedktl"):
    for seed, (own, other) in enumerate(zip(mine, theirs, strict=True)):
        runs.add(method, seed, (own,))
        if method == "fedktl":
            runs.add("local", seed, (other,))
    return runs.rows()


@pytest.mark.parametrize(
    ("mine", "told"),
    [
        # Differences of 5, 6 and 7 points: a deviation of 1, so 4.303 / sqrt(3) either way.
        (
            (0.55, 0.56, 0.57),
            "FedKTL is above Local by 6.0 points (95% interval 3.5 to 8.5 over 3 seeds).",
        ),
        (
            (0.45, 0.44, 0.43),
            "FedKTL is below Local by 6.0 points (95% interval 3.5 to 8.5 over 3 seeds).",
        ),
        # Differences of -1, 0 and 4: a deviation of 2.65, so 6.57 either way.
        (
            (0.49, 0.50, 0.54),
            "FedKTL against Local: no difference can be told from 3 seeds: +1.0 points, 95% "
            "interval -5.6 to 7.6.",
        ),
        (
            (0.52,),
            "FedKTL against Local: +2.0 points. One seed: no interval, so this may be chance; run "
            "at least three seeds before trusting a difference.",
        ),
        (
            (0.52, 0.52),
            "FedKTL against Local: +2.0 points. All 2 seeds differ by the same, from which no "
            "interval can be made.",
        ),
    ],
)
def test_a_verdict_says_no_more_than_the_interval(runs, mine, told):
    rows = _play(runs, mine, [0.5] * len(mine))
    assert verdicts(rows) == [told]
    assert limits(rows) == []


def test_a_mean_that_is_not_most_clients_says_so(runs):
    # The second client has three times the samples of the first.
    for seed, noise in enumerate((0.0, 0.01, 0.02)):
        runs.add("fedktl", seed, [round_of(1, (0.4, 0.8 + noise))])
        runs.add("local", seed, [round_of(1, (0.5, 0.5))], settings={"rounds": 1})
    (told,) = verdicts(runs.rows())
    assert told.startswith("FedKTL is above Local by 20.8 points (95% interval ")
    assert told.endswith(" seeds). A mean of unlike clients: 1 of 2 above, 1 below.")


def test_without_scipy_the_verdict_says_so(runs, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    (told,) = verdicts(_play(runs, (0.55, 0.56), (0.5, 0.5)))
    assert told.endswith("+5.5 points. Intervals need scipy: install the server extra of Nectar.")


def test_several_intervals_mislead_more_easily(runs):
    _play(runs, (0.55, 0.56, 0.57), (0.5, 0.5, 0.5))
    told = limits(_play(runs, (0.1, 0.2, 0.9), (0.5, 0.5, 0.5), method="fd"))
    assert told[0].startswith("These are 2 intervals: of 95% intervals one in twenty misses")
    assert told[1].startswith("No row is above each of the others by more than chance")


def test_nothing_to_compare_with_is_said(runs):
    runs.add("fedktl", 0, (0.5,))
    assert verdicts(runs.rows()) == [
        "FedKTL: there is no run of clients alone (Local) to hold it against."
    ]
    runs.add("local", 0, (0.5,), settings={"learning-rate": 1.0, "data": "other"})
    runs.add("fedproto", 1, (0.5,), settings={"data": "other"})
    assert verdicts(runs.rows()) == [
        "FedKTL: no run of clients alone has its settings; Local differs in data.",
        "FedProto: no seed has an accuracy both here and in Local to compare.",
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.012, "+1.2"), (-0.0004, "-0.04"), (0.0, "0.0"), (0.000001, "0.00"), (-0.3, "-30.0")],
)
def test_points_keep_their_sign_and_never_round_to_zero_too_soon(value, written):
    assert points(value) == written


def test_cells_say_why_there_is_no_interval(runs):
    (_, row) = _play(runs, (0.52,), (0.5,))
    assert interval(row.difference) == "one seed: no interval"
