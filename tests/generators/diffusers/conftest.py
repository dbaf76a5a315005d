"""Tiny pipelines, built once, and copies of them to damage."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from generators.build import build
from strategies.common.image_generator import ImageGenerator

Value = bool | int | float | str
Build = Callable[..., ImageGenerator]


@pytest.fixture(scope="session")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold the folders ``sd``, ``xl``, ``lcm`` and ``taesd``."""
    from benchmarks.random_pipelines import save, save_tiny_vae

    folder = tmp_path_factory.mktemp("pipelines")
    for kind in ("sd", "xl", "lcm"):
        save(kind, folder / kind)
    save_tiny_vae(folder / "taesd")
    return folder


@pytest.fixture
def copied(pipelines: Path, tmp_path: Path) -> Path:
    """Return a Stable Diffusion folder that a test may damage."""
    return Path(shutil.copytree(pipelines / "sd", tmp_path / "copy"))


@pytest.fixture(scope="session")
def fresh(pipelines: Path, default_settings: dict[str, Value]) -> Build:
    """Build a generator by the name of its folder; overrides by Python name."""

    def build_one(name: str | Path, **overrides: Value) -> ImageGenerator:
        changes = {f"diffusers.{key.replace('_', '-')}": v for key, v in overrides.items()}
        spec = f"diffusers:{pipelines / name}"
        return build(spec, {**default_settings, **changes}, torch.device("cpu"))

    return build_one


@pytest.fixture(scope="session")
def built(fresh: Build) -> Build:
    """Return a generator that other tests draw with too; no test may change it."""
    return cache(fresh)
