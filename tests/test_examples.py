"""The examples in docstrings show what the code does."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (
    *("server_app", "client_app", "strategies", "generators", "models", "pickles"),
    *("taressfl", "local_federation", "nectar", "examples", "benchmarks"),
)
SHOWING = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("name", SHOWING)
def test_examples_give_what_they_print(name: str) -> None:
    told: list[str] = []
    found = doctest.DocTestFinder(exclude_empty=True).find(import_module(name))
    assert found
    for shown in found:
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(shown, out=told.append)
    assert told == []
