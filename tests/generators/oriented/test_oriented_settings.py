"""The table ``oriented``: what it accepts and what it says when it does not."""

import tomllib
from pathlib import Path

import pytest

from generators.oriented.settings import OrientedSettings
from strategies.common.errors import SettingsError
from strategies.common.run_config import RunConfig, read_table

TABLE: RunConfig = {
    "oriented.image-size": 32,
    "oriented.latent-dim": 64,
    "oriented.mapping-layers": 4,
    "oriented.seed": 0,
}


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_powers_of_two_are_accepted(size: int) -> None:
    chosen = read_table({**TABLE, "oriented.image-size": size}, "oriented", OrientedSettings)
    assert chosen.image_size == size


@pytest.mark.parametrize("size", [20, 8, 512, 0, -32])
def test_other_sizes_are_refused_with_the_allowed_ones(size: int) -> None:
    with pytest.raises(SettingsError, match=rf"image-size: .*16, 32, 64, 128 or 256, got {size}"):
        read_table({**TABLE, "oriented.image-size": size}, "oriented", OrientedSettings)


@pytest.mark.parametrize("key", ["latent-dim", "mapping-layers", "seed"])
def test_numbers_out_of_range_are_refused(key: str) -> None:
    with pytest.raises(SettingsError, match=f"oriented.{key}: .*got -1"):
        read_table({**TABLE, f"oriented.{key}": -1}, "oriented", OrientedSettings)


def test_every_setting_has_its_default_in_the_project_file() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    defaults = project["tool"]["flwr"]["app"]["config"]["oriented"]
    read_table({f"oriented.{k}": v for k, v in defaults.items()}, "oriented", OrientedSettings)
