"""Print what an image needs, for pip: ``wanted.py hub|device|server [EXTRA...]``."""

import sys
import tomllib
from pathlib import Path

# The hub computes nothing: it needs Flower, and what makes keys and certificates.
_HUB = ("flwr", "cryptography")


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


if __name__ == "__main__":
    read = tomllib.loads(Path(__file__).with_name("pyproject.toml").read_text())
    print("\n".join(wanted(read["project"], sys.argv[1], sys.argv[2:])))
