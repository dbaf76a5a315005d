"""The one list of numbers, and the settings, that all programs are told."""

import pytest

from server_app.writers.round_writer import scalars, told_settings
from strategies.common.run_config import default_config
from tests.server_app.run_folders import failed_round, line_of, node, round_of


def test_every_loss_is_told_for_each_client_that_trained_and_as_a_mean_by_samples():
    nodes = {
        "0": node(0, 0.6, losses={"total": 1.0, "transfer": 0.5}),
        "1": node(1, 0.8, losses={"total": 2.0}),
    }
    told = scalars(line_of(round_of(1, (0.6, 0.8), nodes=nodes)))
    assert {name: value for name, value in told.items() if name.startswith("loss/train")} == {
        # 30 and 90 training samples.
        "loss/train/mean": pytest.approx(1.75),
        "loss/train/client-0": 1.0,
        "loss/train/client-1": 2.0,
        "loss/train-transfer/mean": 0.5,
        "loss/train-transfer/client-0": 0.5,
    }
    nodes["1"]["took_part"] = False
    told = scalars(line_of(round_of(1, (0.6, 0.8), nodes=nodes)))
    assert told["loss/train/mean"] == 1.0
    assert "loss/train/client-1" not in told


def test_the_spread_is_that_of_the_clients_that_reported():
    told = scalars(line_of(round_of(1, (0.5, 0.9))))
    assert (told["accuracy/worst"], told["accuracy/std"]) == (0.5, pytest.approx(0.2))
    told = scalars(line_of(failed_round(2, {0: "gone", 1: "gone"})))
    assert not [name for name in told if name.startswith(("accuracy/", "loss/"))]


def test_no_name_is_a_folder_of_another():
    changes = {"macro_f1": 0.5, "class_accuracy": [0.5], "validation_accuracy": 0.5}
    nodes = {
        str(c): node(
            c,
            0.5,
            losses={"total": 1.0, "mean": 2.0},
            macro_f1=None,
            validation_accuracy=0.5,
            validation_loss=1.0,
        )
        for c in (0, 1)
    }
    line = line_of(round_of(1, (0.5, 0.5), nodes=nodes, validation_loss=1.0, **changes))
    names = set(scalars(line))
    assert {"accuracy/validation", "loss/validation", "macro_f1/pooled"} <= names
    folders = {name.rpartition("/")[0] for name in names}
    assert not names & folders


def test_settings_are_those_that_the_method_reads_and_say_nothing_of_places():
    config = {**default_config(), "method": "fedproto", "split.key": "/home/me/key.pem"}
    told = told_settings(config)
    assert told["fedproto.proto-weight"] == 10.0
    assert told["learning-rate"] == 0.01
    assert not [key for key in told if key.startswith(("fedktl.", "mocosfl.", "split."))]
    assert not {"runs-dir", "state-dir", "run-name", "resume", "compare-with", "writers"} & set(
        told
    )
    split = told_settings({**config, "method": "splitfed"})
    assert split["split.cut"] == 1
    assert "split.key" not in split
