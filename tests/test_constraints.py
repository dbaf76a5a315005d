"""The two files of versions: devices on ARM have what all others have, but for torch."""

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
USUAL, DEVICE = "constraints.txt", "constraints-device.txt"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TORCH = {"torch", "torchvision"}


def lines(file: str) -> list[str]:
    return (ROOT / file).read_text().splitlines()


def pins(file: str) -> dict[str, str]:
    """Return versions by name, with nothing but names and versions in the file."""
    found = [line.split("==") for line in lines(file) if not line.startswith("#")]
    assert all(len(words) == 2 for words in found)
    return {str(canonicalize_name(name)): version for name, version in found}


def is_of_cuda(name: str) -> bool:
    return name.startswith(("cuda-", "nvidia-")) or name == "triton"


def test_versions_on_arm_differ_in_torch_alone() -> None:
    usual, device = pins(USUAL), pins(DEVICE)
    assert {name for name in usual.keys() - device.keys() if not is_of_cuda(name)} == set()
    assert device.keys() - usual.keys() == set()
    assert {name for name in device if device[name] != usual[name]} == TORCH


def test_torch_on_arm_is_the_last_without_cuda() -> None:
    device = pins(DEVICE)
    assert [name for name in device if is_of_cuda(name)] == []
    # Their ARM wheels; torchvision 0.N+15 belongs to torch 2.N.
    assert (device["torch"], device["torchvision"]) == ("2.10.0", "0.25.0")


@pytest.mark.parametrize("file", [USUAL, DEVICE])
def test_every_library_that_is_asked_for_has_a_version_that_will_do(file: str) -> None:
    known = pins(file)
    device = list(map(Requirement, PROJECT["dependencies"]))
    extras = ("simulation", "server", "feddat", "notebook", "onnx", "docs", "dev")
    more = [Requirement(line) for name in extras for line in PROJECT["optional-dependencies"][name]]
    for asked in (*device, *more):
        name = str(canonicalize_name(asked.name))
        assert asked.specifier.contains(known[name]), name


# Images


@pytest.fixture(scope="module")
def wanted() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wanted", ROOT / "docker" / "wanted.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_images_for_arm_take_the_versions_for_arm(wanted: ModuleType) -> None:
    chosen = {m: wanted.constraints_of(m) for m in ("x86_64", "aarch64", "arm64")}
    assert chosen == {"x86_64": USUAL, "aarch64": DEVICE, "arm64": DEVICE}


def test_a_torch_that_a_base_image_has_stays(wanted: ModuleType) -> None:
    usual = lines(USUAL)
    assert wanted.versions(usual, {}) == usual
    own = {"torch": "2.8.0a0+own", "torchvision": "0.23.0a0"}
    told = wanted.versions(usual, own)
    assert told[-2:] == ["torch==2.8.0a0+own", "torchvision==0.23.0a0"]
    left = {line for line in usual if line not in told}
    assert {name for name in pins(USUAL) if is_of_cuda(name)} | TORCH == {
        str(canonicalize_name(line.split("==")[0])) for line in left
    }
