"""Print what an image needs, for pip: ``wanted.py hub|device|server [EXTRA...]``.

``wanted.py versions [FILE]`` prints which versions, for the machine that it runs on.
"""

import platform
import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# The hub computes nothing: it needs Flower, and what makes keys and certificates.
_HUB = ("flwr", "cryptography")
_TORCH = ("torch", "torchvision")
# What comes along with a torch, and belongs to that one alone.
_OF_TORCH = ("cuda-", "nvidia-", "triton==", *(f"{name}==" for name in _TORCH))


def wanted(project: dict, image: str, extras: list[str]) -> list[str]:
    """Return the requirements of an image.

    Parameters
    ----------
    project : dict
        Table ``project`` of pyproject.toml.
    image : str
        ``hub``, ``device`` or ``server``; a server needs its own extra beside what a device needs.
    extras : list[str]
        Names of further extras.

    Raises
    ------
    KeyError
        If pyproject.toml has no such extra.
    """
    base: list[str] = project["dependencies"]
    if image == "hub":
        return [line for line in base if line.startswith(_HUB)]
    names = [*(["server"] if image == "server" else []), *extras]
    return [*base, *(line for name in names for line in project["optional-dependencies"][name])]


def constraints_of(machine: str) -> str:
    """Return the file of versions for a kind of machine, as ``platform.machine`` names it."""
    # The newer torch for ARM brings gigabytes of CUDA, which a board without a GPU cannot use.
    return "constraints-device.txt" if machine in ("aarch64", "arm64") else "constraints.txt"


def versions(lines: list[str], own: Mapping[str, str]) -> list[str]:
    """Return versions for pip, with which a torch that is there already stays.

    Parameters
    ----------
    lines : list[str]
        Of a file of constraints.
    own : Mapping[str, str]
        Version of torch and torchvision, as far as the base image has them.
    """
    if not own:
        return lines
    # Its board may have no other: pip must use it, or say that it cannot.
    others = [line for line in lines if not line.startswith(_OF_TORCH)]
    return [*others, *(f"{name}=={found}" for name, found in own.items())]


def _own() -> dict[str, str]:
    found = {}
    for name in _TORCH:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


if __name__ == "__main__":
    here = Path(__file__).parent
    if sys.argv[1] == "versions":
        file = here / (sys.argv[2:] or [constraints_of(platform.machine())])[0]
        told = versions(file.read_text().splitlines(), _own())
    else:
        read = tomllib.loads((here / "pyproject.toml").read_text())
        told = wanted(read["project"], sys.argv[1], sys.argv[2:])
    print("\n".join(told))
