"""Settings as they stand on a command line."""

import pytest

from strategies.common.errors import SettingsError
from strategies.common.settings_changes import changed_config, read_changes


def test_values_are_toml_or_text() -> None:
    pairs = ["rounds=5", "learning-rate = 0.5", 'models="cnn,resnet8"', "method=fd", "resume=true"]
    assert read_changes([*pairs, "split.bottleneck=", "a=b=c"]) == {
        "rounds": 5,
        "learning-rate": 0.5,
        "models": "cnn,resnet8",
        "method": "fd",
        "resume": True,
        "split.bottleneck": "",
        "a": "b=c",
    }


@pytest.mark.parametrize("pair", ["rounds", "=5", " = 5"])
def test_what_is_no_setting_is_refused_with_the_word_itself(pair: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        read_changes(["seed=1", pair])
    assert f"--set: expected KEY=VALUE, got {pair};" in str(refusal.value)


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        (
            'models=["cnn", "cnn"]',
            '--set models: expected one value, got a list, ["cnn", "cnn"]; several are written '
            'models="cnn,cnn"',
        ),
        (
            "fd={a = 1}",
            "--set fd: expected one value, got a table, {a = 1}; its settings are given "
            "one by one: fd.a=1",
        ),
        (
            "run-name=2026-01-31",
            "--set run-name: expected one value, got the TOML date, 2026-01-31; text is written "
            'run-name="2026-01-31"',
        ),
    ],
)
def test_more_than_one_value_is_refused_with_how_it_is_written(pair: str, told: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        read_changes([pair])
    assert str(refusal.value) == told


def test_a_key_that_is_there_twice_is_refused_with_both_values() -> None:
    with pytest.raises(SettingsError, match=r"--set rounds: expected once, got 5 and 'six'; leave"):
        read_changes(["rounds=5", "seed=1", " rounds =six"])


def test_a_name_that_is_no_setting_is_refused_with_what_may_be_meant() -> None:
    with pytest.raises(SettingsError) as refusal:
        changed_config(["lerning-rate=0.1", "proto-weight=1.0", "wholly-other=1", "seed=3"])
    told = str(refusal.value)
    assert "unknown setting lerning-rate: did you mean learning-rate" in told
    assert "unknown setting proto-weight: did you mean fedproto.proto-weight or fedtgp." in told
    assert "unknown setting wholly-other: All stand with their defaults in pyproject.toml" in told
    assert "seed" not in told
