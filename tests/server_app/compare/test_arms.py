"""Runs gathered into rows."""

import pytest

from server_app.compare.arms import baseline_of, read_arms
from strategies.common.errors import RunFolderError

LEVELS = (0.5, 0.6)


def test_runs_that_differ_in_the_seed_alone_are_one_row(runs):
    for seed in (2, 0, 1):
        runs.add("fedktl", seed, LEVELS, settings={"run-name": f"r{seed}", "min-nodes": seed})
    (arm,) = read_arms(runs.folders)
    assert (arm.method, arm.label) == ("fedktl", "FedKTL")
    assert list(arm.runs) == [0, 1, 2]


def test_labels_name_those_settings_alone_that_tell_rows_of_a_method_apart(runs):
    for weight in (5.0, 50.0):
        settings = {"fedktl.transfer-weight": weight, "fedktl.margin": 0.5}
        runs.add("fedktl", 0, LEVELS, settings=settings)
    runs.add("fedproto", 0, LEVELS, settings={"fedktl.transfer-weight": 7.0})
    runs.add("local", 0, LEVELS)
    # Clients alone come first, then methods as their table has them, then values by size.
    assert [arm.label for arm in read_arms(runs.folders)] == [
        "Local",
        "FedKTL (transfer-weight 5.0)",
        "FedKTL (transfer-weight 50.0)",
        "FedProto",
    ]


def test_numbers_of_clients_make_rows_of_their_own(runs):
    runs.add("fedktl", 0, LEVELS)
    runs.add("fedktl", 0, LEVELS, clients={"0": {"clients": 4}})
    labels = [arm.label for arm in read_arms(runs.folders)]
    assert labels == ["FedKTL (clients 2)", "FedKTL (clients 5)"]


def test_a_run_that_ended_before_its_clients_came_belongs_to_the_row(runs):
    runs.add("fedktl", 0, LEVELS)
    (runs.add("fedktl", 1, ()) / "clients.json").unlink()
    runs.folders[1].joinpath("settings.toml").write_text(
        runs.folders[0].joinpath("settings.toml").read_text().replace("seed = 0", "seed = 1")
    )
    (arm,) = read_arms(runs.folders)
    assert list(arm.runs) == [0, 1]


def test_local_reads_no_methods_table_and_no_generator(runs):
    for seed, generator in ((0, "oriented"), (1, "noise")):
        runs.add(
            "local",
            seed,
            LEVELS,
            settings={"generator": generator, "fedktl.margin": seed, "noise.seed": seed},
        )
    assert [arm.label for arm in read_arms(runs.folders)] == ["Local"]


def test_one_row_and_seed_twice_is_refused_with_both_folders(runs):
    first, second = runs.add("local", 3, LEVELS), runs.add("local", 3, LEVELS)
    with pytest.raises(RunFolderError, match="two of local with seed 3") as raised:
        read_arms(runs.folders)
    assert str(first) in str(raised.value)
    assert str(second) in str(raised.value)


def test_one_folder_named_twice_is_one_run(runs):
    folder = runs.add("local", 3, LEVELS)
    (arm,) = read_arms([folder, folder / ".." / folder.name])
    assert list(arm.runs) == [3]


def test_what_is_no_run_is_refused(runs, tmp_path):
    with pytest.raises(RunFolderError, match="expected folders of runs, got none"):
        read_arms([])
    with pytest.raises(RunFolderError, match=r"settings\.toml"):
        read_arms([tmp_path])
    runs.add("local", 0, LEVELS, settings={"seed": "one"})
    with pytest.raises(RunFolderError, match="seed: expected a whole number, got 'one'"):
        read_arms(runs.folders)


def test_a_row_is_held_against_clients_alone_with_its_own_settings(runs):
    for rate in (0.1, 0.2):
        for method in ("local", "fedktl"):
            runs.add(method, 0, LEVELS, settings={"learning-rate": rate, "fedktl.margin": rate})
    runs.add("fd", 0, LEVELS, settings={"learning-rate": 0.3})
    # What clients alone do not read is no difference.
    runs.add("fedproto", 0, LEVELS, settings={"learning-rate": 0.2, "wire-dtype": "float16"})
    arms = read_arms(runs.folders)
    held = {arm.label: baseline_of(arm, arms) for arm in arms}
    assert {label: base.label if base else None for label, base in held.items()} == {
        "Local (learning-rate 0.1)": None,
        "Local (learning-rate 0.2)": None,
        "FedKTL (margin 0.1, learning-rate 0.1)": "Local (learning-rate 0.1)",
        "FedKTL (margin 0.2, learning-rate 0.2)": "Local (learning-rate 0.2)",
        "FedProto": "Local (learning-rate 0.2)",
        "FD": None,
    }


def test_simulated_conditions_tell_rows_apart_and_are_not_held_against_others(runs):
    for key, values in (
        ("dropout", (0.0, 0.3)),
        ("stragglers", (0.0, 0.5)),
        ("link-mbit", (0.0, 10.0)),
    ):
        added = type(runs)(runs.root / key)
        for value in values:
            added.add("local", 0, LEVELS, settings={f"simulated.{key}": value})
            added.add("fd", 0, LEVELS, settings={f"simulated.{key}": value})
        added.add("fedproto", 0, LEVELS, settings={f"simulated.{key}": 0.7})
        arms = read_arms(added.folders)
        held = {arm.label: baseline_of(arm, arms) for arm in arms}
        assert {label: base.label if base else None for label, base in held.items()} == {
            **{f"Local (simulated.{key} {value})": None for value in values},
            **{f"FD (simulated.{key} {v})": f"Local (simulated.{key} {v})" for v in values},
            "FedProto": None,
        }


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("generator", ("oriented", "noise")),
        ("min-replies", (1, 2)),
        ("server-threads", (1, 2)),
        ("fedktl.margin", (0.1, 0.2)),
    ],
)
def test_whatever_was_varied_tells_runs_of_one_seed_apart(runs, key, values):
    for seed in (0, 1):
        for value in values:
            runs.add("local", seed, LEVELS, settings={key: value, "run-name": f"{value}-{seed}"})
    arms = read_arms(runs.folders)
    assert [arm.label for arm in arms] == [f"Local ({key} {value})" for value in sorted(values)]
    assert [list(arm.runs) for arm in arms] == [[0, 1], [0, 1]]


def test_shared_tables_count_between_methods_that_both_read_them(runs):
    runs.add("feddat", 0, LEVELS, settings={"adapters.rank": 4, "fedproto.margin": 1})
    runs.add("fedlora", 0, LEVELS, settings={"adapters.rank": 8})
    runs.add("fd", 0, LEVELS, settings={"adapters.rank": 0, "faug.epochs": 3})
    runs.add("dsfl", 0, LEVELS, settings={"faug.epochs": 4})
    arms = {arm.method: arm for arm in read_arms(runs.folders)}
    assert arms["feddat"].unlike(arms["fedlora"]) == ["adapters.rank"]
    assert arms["feddat"].unlike(arms["fd"]) == []
    assert arms["fd"].unlike(arms["dsfl"]) == ["faug.epochs"]
