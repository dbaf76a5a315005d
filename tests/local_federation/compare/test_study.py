"""Which runs follow from methods, seeds and settings."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_federation.compare.study import Study, Value
from strategies.common.errors import SettingsError
from strategies.common.run_config import default_config, read_run
from strategies.common.transport.control import Order


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether this machine has what is named has tests of its own."""
    monkeypatch.setattr("local_federation.this_machine.check", lambda _: None)


def names(
    *methods: str,
    seeds: tuple[int, ...] = (0,),
    grid: Mapping[str, tuple[Value, ...]] | None = None,
) -> list[str]:
    return [run.name for run in Study(methods, seeds, grid or {}, {}).runs()]


def test_every_method_is_played_once_per_seed_and_local_before_it() -> None:
    assert names("fd", "fedproto", seeds=(3, 1)) == [
        *("local-seed3", "fd-seed3", "fedproto-seed3"),
        *("local-seed1", "fd-seed1", "fedproto-seed1"),
    ]


def test_local_is_played_once_though_it_is_asked_for() -> None:
    assert names("fd", "local") == ["local-seed0", "fd-seed0"]


def test_a_methods_own_setting_is_varied_for_it_alone() -> None:
    grid = {"fedproto.proto-weight": (1, 10)}
    assert names("fedproto", "fd", grid=grid) == [
        *("local-seed0", "fedproto-proto-weight=1-seed0", "fedproto-proto-weight=10-seed0"),
        "fd-seed0",
    ]


def test_a_general_setting_is_varied_for_all_and_for_local() -> None:
    grid = {"learning-rate": (0.1, 0.2), "fd.logit-weight": (1.0, 2.0)}
    assert names("fd", grid={k: grid[k] for k in ("learning-rate",)}) == [
        *("local-learning-rate=0.1-seed0", "local-learning-rate=0.2-seed0"),
        *("fd-learning-rate=0.1-seed0", "fd-learning-rate=0.2-seed0"),
    ]


def test_generators_are_varied_for_methods_that_draw() -> None:
    assert names("fedktl", "fd", grid={"oriented.seed": (0, 1)}) == [
        *("local-seed0", "fedktl-seed=0-seed0", "fedktl-seed=1-seed0", "fd-seed0"),
    ]


def test_adapters_are_compared_with_clients_alone() -> None:
    (alone, feddat) = Study(("feddat",), (2,), {}, {}).runs()
    assert alone.name == "alone-seed2"
    assert (alone.method, alone.settings["fedadapter.shared-rounds"]) == ("fedadapter", 0)
    assert (feddat.name, feddat.settings["seed"]) == ("feddat-seed2", 2)


def test_split_networks_have_no_baseline() -> None:
    assert names("splitfed", "mocosfl") == ["splitfed-seed0", "mocosfl-seed0"]


def test_what_stands_in_a_name_can_be_a_folders() -> None:
    (_, run) = names("fd", grid={"data": ("pfllib:/home/me/mnist",)})
    assert run == "fd-data=pfllib__home_me_mnist-seed0"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("weight-decay", 1e-05), ("share-class-counts", True), ("models", "cnn,resnet4")),
        *(("data", f"pfllib:/home/mé/{60 * 'x'}/mnist"), ("optimiser", "adamw")),
    ],
)
def test_every_name_is_one_that_a_run_may_have(key: str, value: Value) -> None:
    (alone, run) = Study(("fd",), (0,), {key: (value,)}, {}).runs()
    for name in (alone.name, run.name):
        assert read_run({**default_config(), "run-name": name}).run_name == name
        assert Order(run=name, round_number=0, continue_from=0).run == name


def test_more_varied_settings_than_a_name_holds_are_refused_before_any_run() -> None:
    long = {"data": (f"pfllib:/{60 * 'x'}",), "models": ("cnn,resnet4,resnet6,resnet8,resnet10",)}
    with pytest.raises(SettingsError, match="setting run-name: "):
        Study(("fd",), (0,), {**long, "learning-rate": (0.1,)}, {})


def test_values_that_would_share_a_name_are_refused() -> None:
    with pytest.raises(SettingsError, match="two whose runs would both be named local-data=a_b-s"):
        Study(("fd",), (0,), {"data": ("a:b", "a/b")}, {})


@given(
    st.sets(st.integers(0, 50), min_size=1, max_size=4),
    st.permutations(["local", "fd", "fedproto"]),
)
def test_names_are_unique_and_seeds_are_set(seeds: set[int], methods: list[str]) -> None:
    runs = Study(tuple(methods), tuple(seeds), {"momentum": (0.0, 0.9)}, {}).runs()
    assert len({run.name for run in runs}) == len(runs) == 3 * len(seeds) * 2
    assert all(run.name.endswith(f"seed{run.settings['seed']}") for run in runs)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((("fedfoo",), {}, {}), "--methods: unknown 'fedfoo'"),
        (
            (("fd",), {}, {"learning-rat": 0.1}),
            "unknown setting learning-rat: did you mean learning-rate",
        ),
        ((("fd",), {"seed": (1, 2)}, {}), "setting seed: expected none.*--seeds"),
        ((("fd",), {"rounds": (1, 2)}, {"rounds": 3}), "rounds: expected in --set or in --grid"),
        ((("fd", "splitfed"), {}, {}), "learn alike, got fd .whole models., splitfed"),
        ((("fd",), {"rounds": (1, 0)}, {}), "setting rounds: .*greater than or equal to 1, got 0"),
        ((("fedproto",), {"fedproto.proto-weight": (-1,)}, {}), "fedproto.proto-weight"),
        (
            (("fd",), {"fedproto.proto-weight": (1, 2)}, {}),
            "setting fedproto.proto-weight: expected a setting that local or fd reads, got 1; ",
        ),
        ((("fd",), {}, {"oriented.seed": 1}), "choose the method fedktl and the generator orie"),
        ((("feddat",), {"fedadapter.shared-rounds": (1,)}, {}), "shared-rounds: expected a sett"),
        (
            (("fd", "fedproto"), {}, {"share-class-counts": False}),
            "share-class-counts: expected true for fedproto, got false.*aggregation to 'uniform'",
        ),
        (
            (("splitfed",), {"share-class-counts": (True, False)}, {}),
            "share-class-counts: expected true for splitfed, got false.*the class of every sample",
        ),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_starts(asked: Any, told: str) -> None:
    methods, grid, settings = asked
    with pytest.raises(SettingsError, match=told):
        Study(methods, (0,), grid, settings)
