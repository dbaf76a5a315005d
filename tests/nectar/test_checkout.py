"""Nectar's packages are found first, and only while they are needed."""

import sys
from types import ModuleType

import pytest

from nectar.checkout import PACKAGES, ROOT, at_hand


def test_the_path_is_as_it_was_even_after_an_error() -> None:
    before = list(sys.path)

    def fail() -> None:
        with at_hand():
            assert sys.path[0] == str(ROOT)
            sys.path.insert(0, "/elsewhere")
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        fail()
    assert sys.path == before


def test_a_module_of_the_users_in_a_packages_place_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = ModuleType("models")
    mine.__file__ = "/home/ada/models.py"
    monkeypatch.setitem(sys.modules, "models", mine)
    told = r"expected models to be the package in .*, got /home/ada/models\.py"
    with pytest.raises(ImportError, match=told), at_hand():
        pytest.fail("expected a refusal")


def test_every_package_is_there() -> None:
    assert [name for name in PACKAGES if not (ROOT / name / "__init__.py").is_file()] == []
