"""Says whether this checkout knows an extra, a data source or a model; called by ``install.sh``.

    known_names.py extras|data|model VALUE

It runs before any library is installed, so tables are read as text and nothing is imported.
"""

import ast
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

_CHECKOUT: Final = Path(__file__).parents[1]


def extras(value: str) -> str:
    """Return what is wrong with a list of extras; empty if nothing is."""
    told = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text())
    known = told["project"]["optional-dependencies"]
    for name in value.split(","):
        if name.strip() not in known:
            return f"expected some of {', '.join(known)}, with commas between, got {name!r}"
    return ""


def data(value: str) -> str:
    """Return what is wrong with the name of a data source; empty if nothing is."""
    kinds = {
        name: str(usage.value)
        for name, kind in _table("client_app/data/sources.py", "SOURCES").items()
        if isinstance(kind, ast.Call) and isinstance(usage := kind.args[0], ast.Constant)
    }
    kind, _, place = value.partition(":")
    forms = ", ".join(f"{name}:{usage}" if usage else name for name, usage in kinds.items())
    if kind not in kinds or bool(place) != bool(kinds[kind]):
        return f"expected one of {forms}, got {value!r}"
    return ""


def model(value: str) -> str:
    """Return what is wrong with the name of a model; empty if nothing is."""
    known = _table("models/catalogue.py", "MODELS")
    # With a colon it is the user's own, which may lie on the device alone.
    if value in known or ":" in value:
        return ""
    return (
        f"expected one of {', '.join(known)}, or a model of your own such as /srv/net.py:Net, "
        f"got {value!r}"
    )


def _table(file: str, name: str) -> Mapping[str, ast.expr]:
    """Return the entries of a dictionary that a module of this checkout writes out."""
    for line in ast.parse((_CHECKOUT / file).read_text()).body:
        if (
            isinstance(line, ast.Assign)
            and isinstance(line.value, ast.Dict)
            and any(isinstance(target, ast.Name) and target.id == name for target in line.targets)
        ):
            return {
                key.value: value
                for key, value in zip(line.value.keys, line.value.values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            }
    raise LookupError(f"{file}: expected a table {name}")


_LOOKS: Final[Mapping[str, Callable[[str], str]]] = {
    "extras": extras,
    "data": data,
    "model": model,
}


def main(option: str, value: str) -> int:
    """Print what is wrong with an option's value and return 1, or 0 where nothing is."""
    wrong = _LOOKS[option](value)
    if wrong:
        sys.stderr.write(f"install.sh: --{option}: {wrong}\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
