"""What the README says of settings is what the code does."""

import re
import tomllib
from pathlib import Path

import pytest

from strategies import methods
from strategies.common.errors import SettingsError
from strategies.common.run_config import default_config

README = (Path(__file__).parents[1] / "README.md").read_text()
_CODE = re.compile(r"`([^`]+)`")
Value = bool | int | float | str


def settings_table() -> dict[str, tuple[str, str]]:
    """Return defaults and meaning of each row of the table of settings, by its names."""
    table = README.split("| setting | default | meaning |")[1].split("\n\n")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return {row[0]: (row[1], row[2]) for row in cells}


@pytest.mark.parametrize("names", settings_table())
def test_defaults_are_those_of_the_project_file(names: str) -> None:
    known = default_config()
    told = [f"value = {text}" for text in _CODE.findall(settings_table()[names][0])]
    for name, line in zip(_CODE.findall(names), told, strict=True):
        value = tomllib.loads(line)["value"]
        if isinstance(value, str) and value.endswith("…"):
            assert str(known[name]).startswith(value.removesuffix("…"))
        else:
            assert known[name] == value


def test_methods_that_tell_class_counts_are_named(config: dict[str, Value]) -> None:
    closed: dict[str, Value] = {**config, "share-class-counts": False}
    meaning = settings_table()["`share-class-counts`"][1]
    for name in methods.METHODS:
        told = "split methods" if methods.exchanges(name) else methods.display_name(name)
        if name == "local":
            continue
        try:
            methods.method_settings(name, closed)
        except SettingsError:
            assert told in meaning
        else:
            assert told not in meaning
