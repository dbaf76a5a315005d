"""The table ``diffusers``, and building by name."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from generators.build import build, check
from strategies.common.errors import GeneratorError, SettingsError


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sampler", "heun"),
        ("steps", -1),
        ("guidance", -1.0),
        ("dtype", "float64"),
        ("batch-size", -1),
        ("seed", -1),
        ("speed", 1),
    ],
)
def test_a_bad_setting_is_refused(
    config: dict[str, Any], pipelines: Path, key: str, value: Any
) -> None:
    changed = {**config, f"diffusers.{key}": value}
    with pytest.raises(SettingsError, match=rf"setting diffusers\.{key}"):
        build(f"diffusers:{pipelines / 'sd'}", changed, torch.device("cpu"))


def test_a_missing_argument_is_refused() -> None:
    with pytest.raises(SettingsError, match="expected diffusers:<folder or hub id>"):
        check("diffusers")
    check("diffusers:owner/name")


@pytest.mark.parametrize("library", ["diffusers", "transformers"])
def test_a_missing_library_is_named_with_what_to_install(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("generators.diffusers")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(GeneratorError, match=rf"{library}.*pip install '\.\[server\]'"):
        build("diffusers:owner/name", config, torch.device("cpu"))
