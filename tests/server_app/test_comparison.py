"""One run beside another."""

from math import sqrt

import pytest

from server_app.comparison import compare, latest_mean, run_title, typical_bytes
from server_app.run_record import read_run_record
from tests.server_app.run_folders import failed_round, round_of, write_run


def _pair(tmp_path, mine, theirs, **changes):
    run = write_run(tmp_path / "run", [round_of(1, mine)])
    other = write_run(tmp_path / "other", [round_of(1, theirs)], method="local", **changes)
    return read_run_record(run), read_run_record(other)


def test_a_gain_in_numbers_and_words(tmp_path):
    comparison = compare(*_pair(tmp_path, (0.9, 1.0), (0.9, 0.5)))
    assert comparison is not None
    # 0.975 and 0.6 over 40 test samples each.
    assert comparison.scores == pytest.approx((0.975, 0.6))
    assert comparison.noise == pytest.approx(2 * sqrt(0.975 * 0.025 / 40 + 0.6 * 0.4 / 40))
    assert (comparison.gains, comparison.losses, comparison.ties) == (1, 0, 1)
    assert comparison.caveats == ()
    assert comparison.sentences(federated=True) == (
        "FedKTL ends at 0.975, 37.5 percentage points above Local (0.600).",
        "Of the clients in both runs, 1 does better, 0 worse and 1 the same with FedKTL.",
    )


@pytest.mark.parametrize(
    ("mine", "said"),
    [
        ((0.8, 0.4), "20.0 percentage points below Local (0.700)"),
        ((0.7, 0.7), "level with Local (0.700)"),
    ],
)
def test_a_federation_that_gains_nothing_is_said_so(tmp_path, mine, said):
    comparison = compare(*_pair(tmp_path, mine, (0.7, 0.7)))
    assert comparison is not None
    first = comparison.sentences(federated=True)[0]
    assert said in first
    assert first.endswith("In this run the federation gains nothing.")
    assert "federation" not in comparison.sentences(federated=False)[0]


def test_a_difference_that_chance_can_make_is_said_so(tmp_path):
    comparison = compare(*_pair(tmp_path, (0.7, 0.75), (0.7, 0.7)))
    assert comparison is not None
    assert "can be chance" in comparison.sentences(federated=True)[-1]


def test_what_else_differs_is_said(tmp_path):
    settings = {"seed": 7, "generator": "other", "fedktl.transfer-weight": 1.0}
    clients = {"0": {"test_samples": 11}}
    run, other = _pair(tmp_path, (0.7, 0.7), (0.7, 0.7), settings=settings, clients=clients)
    comparison = compare(run, other)
    assert comparison is not None
    # Another method's own table and generator are no difference besides the method.
    assert comparison.caveats == (
        "The runs also differ in these settings: seed (0 against 7).",
        "The clients of the two runs do not have the same models and sample counts.",
    )


def test_two_runs_of_one_method_go_by_name_and_differ_in_its_table(tmp_path):
    run = write_run(tmp_path / "a", [round_of(1, (0.5, 0.5))])
    changed = {"fedktl.transfer-weight": 1.0}
    other = write_run(tmp_path / "b", [round_of(1, (0.5, 0.5))], settings=changed)
    comparison = compare(read_run_record(run), read_run_record(other))
    assert comparison is not None
    assert comparison.titles == ("a", "b")
    assert "fedktl.transfer-weight (50.0 against 1.0)" in comparison.caveats[0]


def test_tests_by_unlike_rules_are_said(tmp_path):
    own = {"fedproto.inference": "prototype", "fedproto.test-classes": "own"}
    lines = [round_of(1, (0.7, 0.7))]
    run = write_run(tmp_path / "run", lines, method="fedproto", settings=own)
    other = write_run(tmp_path / "other", lines, method="local")
    comparison = compare(read_run_record(run), read_run_record(other))
    assert comparison is not None
    assert comparison.caveats == (
        "Test samples are not classified alike: FedProto by the nearest prototype among the "
        "client's own classes; Local by the model itself among all classes.",
    )


def test_adapters_that_each_client_trains_alone_are_no_federation(tmp_path):
    lines = [round_of(1, (0.5, 0.5))]
    titles = [
        run_title(read_run_record(write_run(tmp_path / name, lines, method=method, settings=own)))
        for name, method, own in (
            ("alone", "fedadapter", {"fedadapter.shared-rounds": 0}),
            ("together", "fedadapter", {"fedadapter.shared-rounds": -1}),
            ("local", "local", {}),
        )
    ]
    assert titles == ["FedAdapter, each client alone", "FedAdapter", "Local"]


def test_other_clients_in_the_last_rounds_are_said(tmp_path):
    _, other = _pair(tmp_path, (0.7, 0.7), (0.7, 0.7))
    late = round_of(2, (0.7, 0.7))
    late["nodes"]["0"] = {"failure": "gone"}
    partial = read_run_record(write_run(tmp_path / "partial", [round_of(1, (0.7, 0.7)), late]))
    comparison = compare(partial, other)
    assert comparison is not None
    assert "Not the same clients reported in the two last rounds." in comparison.caveats


def test_nothing_to_compare(tmp_path):
    run, other = _pair(tmp_path, (0.7, 0.7), (0.7, 0.7))
    failed = read_run_record(write_run(tmp_path / "failed", [failed_round(1, {0: "a"})]))
    assert compare(run, failed) is None
    assert compare(failed, other) is None
    assert latest_mean(failed) is None
    assert typical_bytes(failed) is None


def test_typical_bytes_are_medians_over_replies(tmp_path):
    run, _ = _pair(tmp_path, (0.7, 0.7), (0.7, 0.7))
    assert typical_bytes(run) == (1500, 40_000)
    assert typical_bytes(run, 1) == (2000, 40_000)


@pytest.mark.parametrize("key", ["dropout", "stragglers", "straggler-factor", "link-mbit"])
def test_unlike_simulated_conditions_are_said(tmp_path, key):
    lines = [round_of(1, (0.7, 0.7))]
    run, other = (
        read_run_record(
            write_run(tmp_path / method, lines, method=method, settings={f"simulated.{key}": value})
        )
        for method, value in (("fd", 0.3), ("local", 0.0))
    )
    comparison = compare(run, other)
    assert comparison is not None
    told = f"The runs also differ in these settings: simulated.{key} (0.3 against 0.0)."
    assert comparison.caveats == (told,)


def test_tables_that_both_methods_read_are_said_and_others_are_not(tmp_path):
    lines = [round_of(1, (0.7, 0.7))]
    runs = [
        read_run_record(write_run(tmp_path / method, lines, method=method, settings=settings))
        for method, settings in (
            ("feddat", {"adapters.rank": 4, "feddat.alpha": 1.0}),
            ("fedlora", {"adapters.rank": 8, "feddat.alpha": 2.0}),
            ("fd", {"adapters.rank": 16}),
        )
    ]
    beside, apart = (compare(runs[0], other) for other in runs[1:])
    assert beside is not None
    assert apart is not None
    assert beside.caveats == (
        "The runs also differ in these settings: adapters.rank (4 against 8).",
    )
    assert apart.caveats == ()
