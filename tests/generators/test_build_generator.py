"""Generators by name."""

from pathlib import Path

import pytest
import torch

from generators.build import build, check, check_here, check_tables
from strategies.common.errors import GeneratorError, SettingsError
from strategies.common.run_config import RunConfig
from tests.fresh_processes import FreshProcesses

CONFIG: RunConfig = {
    "generator": "oriented",
    "oriented.image-size": 16,
    "oriented.latent-dim": 8,
    "oriented.mapping-layers": 2,
    "oriented.seed": 0,
}


def test_a_known_generator_is_built_from_its_table() -> None:
    check("oriented")
    generator = build("oriented", CONFIG, torch.device("cpu"))
    assert (generator.latent_dim, generator.image_shape) == (8, (3, 16, 16))


@pytest.mark.parametrize("spec", ["Oriented", "", "dreams:file.pkl"])
def test_an_unknown_generator_is_refused_with_the_known_ones(spec: str) -> None:
    with pytest.raises(
        SettingsError, match=r"generator: unknown '.*'; the known ones are oriented"
    ):
        check(spec)
    with pytest.raises(SettingsError, match="the known ones are oriented"):
        build(spec, CONFIG, torch.device("cpu"))


@pytest.mark.parametrize("spec", ["oriented:", "oriented:64"])
def test_a_surplus_argument_is_refused(spec: str) -> None:
    with pytest.raises(SettingsError, match="oriented takes no argument"):
        check(spec)


def test_a_bad_table_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"oriented\.image-size"):
        build("oriented", {**CONFIG, "oriented.image-size": 20}, torch.device("cpu"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("oriented.seed", -1), ("noise.image-size", "big"), ("stylegan.batch-size", -1)),
        *(("diffusers.seed", -1), ("noise.magic", 1)),
    ],
)
def test_a_bad_table_is_refused_whichever_draws(
    config: dict[str, bool | int | float | str], key: str, value: int | str
) -> None:
    check_tables(config)
    with pytest.raises(SettingsError, match=f"setting {key}: "):
        check_tables({**config, key: value})


def test_a_file_and_a_library_are_looked_for_and_nothing_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_here("oriented", {})
    with pytest.raises(GeneratorError, match=f"expected a file at {tmp_path}/a.pkl, found none"):
        check_here(f"stylegan:{tmp_path}/a.pkl", {})
    (tmp_path / "a.pkl").touch()
    check_here(f"stylegan:{tmp_path}/a.pkl", {})
    monkeypatch.setattr("generators.build.find_spec", lambda _: None)
    with pytest.raises(GeneratorError, match=r"diffusers:a/b: no module .*pip install '.\[server"):
        check_here("diffusers:a/b", {})


def test_checking_a_name_imports_no_adapter(fresh_processes: FreshProcesses) -> None:
    code = (
        "import sys; from generators.build import check; check('oriented'); "
        "sys.exit(any(name.startswith('generators.oriented') for name in sys.modules))"
    )
    assert fresh_processes.run("-c", code).returncode == 0
