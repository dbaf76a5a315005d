"""Methods, seeds and grids as they are typed."""

import pytest

from local_federation.compare.choices import read_grid, read_methods, read_seeds
from strategies.common.errors import SettingsError


def test_methods_are_kept_in_their_order() -> None:
    assert read_methods("fedktl, fd") == ("fedktl", "fd")


@pytest.mark.parametrize("text", ["", ",", " ", "fd,", "fd,fd", "fd, local,fd"])
def test_no_method_and_a_method_twice_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--methods: expected"):
        read_methods(text)


def test_ranges_include_their_ends() -> None:
    assert read_seeds("4") == (4,)
    assert read_seeds("0-2, 9") == (0, 1, 2, 9)


@pytest.mark.parametrize(
    "text", ["", "a", "1-", "-1", "3-1", "1,1", "0-2,2", "1.5", "0-100000", str(2**63)]
)
def test_other_seeds_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--seeds: expected"):
        read_seeds(text)


def test_values_keep_their_types() -> None:
    found = read_grid(["a=3,2.0,true", "b=cnn,resnet4", 'models="cnn","cnn,resnet4"'])
    assert found == {
        "a": (3, 2.0, True),
        "b": ("cnn", "resnet4"),
        "models": ("cnn", "cnn,resnet4"),
    }
    assert [type(value) for value in found["a"]] == [int, float, bool]


@pytest.mark.parametrize(
    "pairs", [["a"], ["a="], ["=1"], ["a=1,"], ["a=1,1"], ["a=[1]"], ["a=1", "a=2"]]
)
def test_other_grids_are_refused(pairs: list[str]) -> None:
    if pairs == ["a=1,"]:  # TOML allows it
        assert read_grid(pairs) == {"a": (1,)}
        return
    with pytest.raises(SettingsError, match="--grid"):
        read_grid(pairs)
