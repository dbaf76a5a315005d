"""What limits a comparison."""

import json

import pytest

from server_app.compare.arms import read_arms
from server_app.compare.caveats import caveats
from tests.server_app.run_folders import failed_round, round_of

MANY = tuple(0.5 + n / 100 for n in range(10))


@pytest.fixture
def pairs(runs):
    """Two methods and three seeds in which nothing is amiss."""
    for seed in range(3):
        for method in ("local", "fedktl"):
            runs.add(method, seed, MANY, name=f"{method}-{seed}")
    return runs


def _told(runs):
    return caveats(read_arms(runs.folders))


def test_runs_in_which_nothing_is_amiss_have_no_caveats(pairs):
    assert _told(pairs) == []


def test_unlike_settings_of_methods_are_named(pairs):
    for seed in range(3):
        pairs.add("fd", seed, MANY, settings={"data": "other", "test-fraction": 0.5})
    assert _told(pairs) == [
        "The methods were not run with the same data: Local digits; FedKTL digits; FD other.",
        "The methods were not run with the same test-fraction: Local 0.25; FedKTL 0.25; FD 0.5.",
    ]


def test_unlike_numbers_of_rounds_are_named_whatever_was_asked_for_at_first(pairs):
    for seed in range(3):
        pairs.add("fd", seed, (*MANY, 0.7), settings={"rounds": 10})
    assert _told(pairs) == [
        "The methods were not run with the same rounds: Local 10; FedKTL 10; FD 11."
    ]


def test_what_clients_alone_do_not_read_is_a_caveat_between_others_alone(pairs):
    for seed in range(3):
        pairs.add("fd", seed, MANY, settings={"wire-dtype": "float16", "generator": "noise"})
    # The runs so far were made before the setting was written.
    assert _told(pairs) == []
    for seed in range(3):
        pairs.add("fedproto", seed, MANY, settings={"wire-dtype": "float32"})
    assert _told(pairs) == [
        "The methods were not run with the same wire-dtype: FedProto float32; FD float16.",
        "Test samples are not classified alike: Local, FedKTL, FD by the model itself among all "
        "classes; FedProto by the nearest prototype of the round before, in round 1 of the "
        "client's own.",
    ]


def test_rows_that_are_tested_by_unlike_rules_are_named(runs):
    own, every = ({"fedproto.test-classes": chosen} for chosen in ("own", "all"))
    for seed in range(3):
        for settings in (own, every):
            runs.add("fedproto", seed, MANY, settings=settings)
    assert _told(runs) == [
        "Test samples are not classified alike: FedProto (test-classes all) by the nearest "
        "prototype among all classes; FedProto (test-classes own) by the nearest prototype among "
        "the client's own classes.",
    ]


def test_what_all_methods_vary_alike_is_no_caveat(runs):
    for seed in range(3):
        for rate in (0.1, 0.2):
            for method in ("local", "fedktl"):
                runs.add(method, seed, MANY, settings={"learning-rate": rate})
    assert _told(runs) == []


def test_unlike_clients_of_one_seed_are_named(pairs):
    for seed in range(3):
        pairs.add("fd", seed, MANY, clients={"0": {"train_samples": 31}})
    assert _told(pairs) == [
        "With the same seed the clients do not have the same models and sample counts: "
        "Local and FD; FedKTL and FD."
    ]


def test_unlike_versions_are_named(pairs):
    path = pairs.folders[0] / "settings.toml"
    path.write_text(path.read_text().replace("1.41.0", "1.42.0"))
    assert _told(pairs) == ["The runs do not have the same flwr: 1.41.0, 1.42.0."]


def test_seeds_that_only_some_rows_have(pairs):
    pairs.add("fd", 5, MANY)
    assert _told(pairs) == [
        "Not all rows have the same seeds; differences are between seeds of both. "
        "Local 0, 1, 2; FedKTL 0, 1, 2; FD 5.",
        "One seed, hence no spread: FD.",
    ]


def test_two_seeds_are_few(runs):
    for seed in range(2):
        runs.add("local", seed, MANY)
    assert _told(runs) == ["2 seeds make very wide intervals; three or more tell far more."]


def test_short_runs_tell_of_the_way_too(runs):
    for seed in range(3):
        runs.add("local", seed, MANY[:9])
    (told,) = _told(runs)
    assert told.startswith("With 9 rounds at most, the last 5 are a great part of the way")


def test_runs_that_are_not_finished_are_named(pairs):
    pairs.add("fd", 0, MANY, name="half", settings={"rounds": 30})
    pairs.add("fd", 1, (), name="empty", settings={"rounds": 30})
    silent = [failed_round(n, {0: "gone", 1: "late"}) for n in range(1, 31)]
    pairs.add("fd", 2, silent, name="silent")
    told = _told(pairs)
    assert "half ends after round 10 of 30." in told
    assert "empty has no complete round." in told
    assert "No client of silent reported an accuracy." in told
    assert "60 replies were lost to failures; rounds.csv has the reasons: silent 60." in told


def test_a_last_accuracy_of_some_clients_or_of_an_earlier_round_is_named(runs):
    some = round_of(10, (0.7, 0.9))
    some["nodes"]["0"] = {"failure": "gone"}
    for seed in range(3):
        runs.add("local", seed, [*MANY[:9], some], name=f"some-{seed}")
        gone = failed_round(10, {0: "a", 1: "b"})
        runs.add("fedktl", seed, [*MANY[:9], gone], name=f"gone-{seed}")
    journal = runs.folders[0] / "rounds.jsonl"
    journal.write_text(journal.read_text() + '{"round": 11, "acc')
    told = _told(runs)
    assert "some-1: 1 of 2 clients are in its last accuracy." in told
    assert "The last round of gone-2 that has an accuracy is 9." in told
    assert "some-0: The journal's last line is cut off and is left out." in told
    assert json.loads(journal.read_text().splitlines()[0])["round"] == 1


def test_unlike_simulated_conditions_of_methods_are_named(runs):
    for seed in range(3):
        for method, dropout in (("local", 0.0), ("fd", 0.3)):
            runs.add(method, seed, MANY, settings={"simulated.dropout": dropout})
    assert _told(runs) == [
        "The methods were not run with the same simulated.dropout: Local 0.0; FD 0.3."
    ]
