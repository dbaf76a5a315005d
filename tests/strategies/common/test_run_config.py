"""Settings: every default reads, and whatever is wrong is named with what would be right."""

from typing import final

import numpy as np
import pytest
import torch
from pydantic import Field, ValidationError

from strategies.common.errors import SettingsError
from strategies.common.run_config import known_name, read_run, read_table
from strategies.common.settings import RunSettings, Settings

Value = bool | int | float | str


@final
class ToySettings(Settings):
    step_size: float = Field(gt=0, le=1)
    num_layers: int = Field(ge=1)


def refused(config: dict[str, Value]) -> str:
    with pytest.raises(SettingsError) as caught:
        read_run(config)
    return str(caught.value)


def test_every_default_is_a_setting_and_every_setting_has_a_default(
    config: dict[str, Value],
) -> None:
    general = {key: value for key, value in config.items() if "." not in key}
    read = read_run(config)
    assert {key.replace("-", "_") for key in general} == set(RunSettings.model_fields)
    assert {k.replace("_", "-"): v for k, v in read.model_dump().items()} == general


def test_no_setting_has_a_second_default_in_the_code() -> None:
    assert all(field.is_required() for field in RunSettings.model_fields.values())


def test_every_setting_is_explained() -> None:
    told = (RunSettings.__doc__ or "").split("Attributes")[1]
    missing = [name for name in RunSettings.model_fields if name not in told]
    assert not missing


def test_settings_cannot_be_changed(config: dict[str, Value]) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        read_run(config).seed = 1


def test_an_unknown_key_is_refused_with_the_known_ones(config: dict[str, Value]) -> None:
    message = refused({**config, "learningrate": 0.1})
    assert message.startswith("setting learningrate: unknown; the known ones are ")
    known = message.split("known ones are ")[1].split(", ")
    assert known == sorted(key for key in config if "." not in key)


def test_python_spelling_is_unknown(config: dict[str, Value]) -> None:
    value = config.pop("local-epochs")
    message = refused({**config, "local_epochs": value})
    assert "setting local_epochs: unknown" in message
    assert "setting local-epochs: missing" in message


def test_a_missing_key_is_named(config: dict[str, Value]) -> None:
    for key in [key for key in config if "." not in key]:
        message = refused({k: v for k, v in config.items() if k != key})
        assert message == (
            f"setting {key}: missing; give it in [tool.flwr.app.config] or --run-config"
        )


@pytest.mark.parametrize(
    ("key", "bad", "told"),
    [
        ("rounds", True, "valid integer, got True"),
        ("rounds", "3", "valid integer, got '3'"),
        ("rounds", 3.0, "valid integer, got 3.0"),
        ("learning-rate", "0.1", "valid number, got '0.1'"),
        ("learning-rate", True, "valid number, got True"),
        ("resume", 1, "valid boolean, got 1"),
        ("resume", "true", "valid boolean, got 'true'"),
        ("method", 3, "valid string, got 3"),
        ("rounds", 0, "greater than or equal to 1, got 0"),
        ("seed", -1, "greater than or equal to 0, got -1"),
        ("seed", 2**63, f"less than or equal to {2**63 - 1}, got {2**63}"),
        ("rounds", 10**23, f"less than or equal to {2**63 - 1}, got {10**23}"),
        ("learning-rate", 10**23, f"less than or equal to {2**63 - 1}, got {10**23}"),
        ("learning-rate", 0.0, "greater than 0, got 0.0"),
        ("learning-rate", float("nan"), "finite number, got nan"),
        ("dirichlet-alpha", float("inf"), "finite number, got inf"),
        ("participation", 1.5, "less than or equal to 1, got 1.5"),
        ("participation", 0.0, "greater than 0, got 0.0"),
        ("test-fraction", 1.0, "less than 1, got 1.0"),
        ("max-report-bytes", 1023, "greater than or equal to 1024, got 1023"),
        ("feature-dim", 65537, "less than or equal to 65536, got 65537"),
        ("wire-dtype", "int8", "'float32' or 'float16', got 'int8'"),
        ("partition", "random", "'iid', 'dirichlet', 'pathological' or 'shards', got 'random'"),
        ("device", "gpu", "'cpu', 'cuda' or 'auto', got 'gpu'"),
        ("run-name", "../other", "got '../other'"),
        ("run-name", "a/b", "got 'a/b'"),
        ("compare-with", "..", "got '..'"),
        ("runs-dir", "", "at least 1 character, got ''"),
    ],
)
def test_a_bad_value_is_named_with_its_key_and_bound(
    config: dict[str, Value], key: str, bad: Value, told: str
) -> None:
    message = refused({**config, key: bad})
    assert message.startswith(f"setting {key}: ")
    assert message.endswith(told)


def test_a_whole_number_may_stand_for_a_fraction(config: dict[str, Value]) -> None:
    assert read_run({**config, "learning-rate": 1, "participation": 1}).learning_rate == 1.0


def test_all_problems_are_named_at_once(config: dict[str, Value]) -> None:
    del config["seed"]
    told = refused({**config, "rounds": 0, "colour": "red"}).split("; ")
    assert any(line.startswith("setting rounds:") for line in told)
    assert any(line.startswith("setting seed: missing") for line in told)
    assert any(line.startswith("setting colour: unknown") for line in told)


def test_a_table_is_read_alone(config: dict[str, Value]) -> None:
    tables: dict[str, Value] = {"toy.step-size": 0.5, "toy.num-layers": 2, "toys.num-layers": 9}
    assert read_table({**config, **tables}, "toy", ToySettings) == ToySettings(
        step_size=0.5, num_layers=2
    )
    # Tables are no business of the general settings.
    assert read_run({**config, **tables}) == read_run(config)


def test_a_tables_problems_name_the_table() -> None:
    bad: dict[str, Value] = {"toy.step-size": 2.0, "toy.layers": 2}
    with pytest.raises(SettingsError) as caught:
        read_table(bad, "toy", ToySettings)
    told = str(caught.value)
    assert "setting toy.step-size: Input should be less than or equal to 1, got 2.0" in told
    assert "setting toy.num-layers: missing" in told
    assert "setting toy.layers: unknown; the known ones are num-layers, step-size" in told


def test_whole_numbers_of_tables_are_bounded_as_general_ones() -> None:
    bad: dict[str, Value] = {"toy.step-size": 0.5, "toy.num-layers": 2**63}
    with pytest.raises(SettingsError, match=rf"toy.num-layers: .* {2**63 - 1}, got {2**63}$"):
        read_table(bad, "toy", ToySettings)


def test_the_largest_seed_is_one_of_every_generator(config: dict[str, Value]) -> None:
    largest = read_run({**config, "seed": 2**63 - 1}).seed
    torch.Generator().manual_seed(largest)
    np.random.default_rng(largest)


def test_a_name_is_looked_up_exactly() -> None:
    known_name("setting method", "local", {"local": 1, "fd": 2})
    for name in ("Local", "loca", "", "local "):
        with pytest.raises(SettingsError, match=r"setting method: unknown .* are local, fd$"):
            known_name("setting method", name, {"local": 1, "fd": 2})
