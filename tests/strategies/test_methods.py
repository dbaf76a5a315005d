"""The table of methods: every method is complete, and a half comes alone."""

from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from models import catalogue
from strategies import methods
from strategies.common.agreed import Need
from strategies.common.errors import SettingsError
from strategies.common.inputs import Images
from strategies.common.method import AnyClientHalf, AnyServerHalf, ClientHalf, ServerHalf
from strategies.common.open_data import OpenSet
from strategies.common.payload import Payload, rules_of, unsent
from strategies.common.presentation import Presentation
from strategies.common.run_config import read_run
from strategies.common.task import Foundation, Place, Task
from tests.fresh_processes import FreshProcesses
from tests.strategies.fedktl.fake_generator import FakeGenerator
from tests.strategies.golden_blobs import payloads

Value = bool | int | float | str
ROOT = Path(__file__).parents[2]
EVERY = sorted(methods.METHODS)
CPU = torch.device("cpu")
# Nothing is made here but models that settings name.
_MAKERS: dict[Need, Any] = {
    **dict.fromkeys((Need.OPEN_DATA, Need.OPEN_LABELS)),
    Need.MODELS: catalogue.builder(0),
}


@pytest.fixture(autouse=True)
def _on_the_cpu(config: dict[str, Value]) -> None:
    """A GPU of this machine is no part of these tests."""
    config.update({"device": "cpu", "server-device": "cpu"})


def refuse() -> FakeGenerator:
    raise AssertionError("built a generator for a method that needs none")


def client_half(name: str, config: dict[str, Value]) -> AnyClientHalf:
    return methods.client_half(name, config, read_run(config), CPU, _MAKERS)


def server_half(
    name: str, config: dict[str, Value], build: Callable[[], FakeGenerator] = FakeGenerator
) -> AnyServerHalf:
    makers = {**_MAKERS, Need.GENERATOR: build}
    return methods.server_half(name, config, read_run(config), CPU, makers)


@pytest.mark.parametrize("name", EVERY)
def test_both_halves_are_built_from_the_defaults(name: str, config: dict[str, Value]) -> None:
    assert isinstance(client_half(name, config), ClientHalf)
    assert isinstance(server_half(name, config), ServerHalf)


@pytest.mark.parametrize("name", EVERY)
def test_payloads_are_named_after_their_method_and_fit_a_task(
    name: str, config: dict[str, Value]
) -> None:
    foundation = (
        Foundation("0" * 64, 2, (Place("block", 16, 16),)) if methods.adapts(name) else None
    )
    opened = OpenSet("0" * 64, 7)
    task = Task(3, Images(1, 8, 8), feature_dim=16, foundation=foundation, open_set=opened)
    server = server_half(name, config)
    # As a device has it, once the server has told it.
    client = client_half(name, {**config, **server.resolved()})
    agreed = client.provided.agree(task)
    for round_number in (1, 2):
        phase = client.phase(round_number)
        assert phase == server.phase(round_number)
        payloads = [kind for kind in (phase.up, phase.down) if kind is not None]
        for kind in payloads:
            assert issubclass(kind, Payload)
            assert is_dataclass(kind)
            own = {name, "adapters"} if methods.adapts(name) else {name}
            assert kind.schema.split(".")[0] in own
            assert kind.version >= 1
            assert kind.sizes(agreed).exact
        assert len({kind.schema for kind in payloads}) == len(set(payloads))


@pytest.mark.parametrize("name", EVERY)
def test_a_generator_is_built_only_where_it_is_needed(name: str, config: dict[str, Value]) -> None:
    built: list[FakeGenerator] = []

    def build() -> FakeGenerator:
        built.append(FakeGenerator())
        return built[-1]

    server = server_half(name, config, build)
    assert len(built) == (1 if Need.GENERATOR in server.all_needs() else 0)


def test_local_needs_no_generator(config: dict[str, Value]) -> None:
    server_half("local", config, refuse)


@pytest.mark.parametrize("name", EVERY)
def test_a_table_refuses_an_unknown_key(name: str, config: dict[str, Value]) -> None:
    bad = {**config, f"{name}.magic": 1}
    with pytest.raises(SettingsError, match=rf"setting {name}\.magic: unknown"):
        client_half(name, bad)


@pytest.mark.parametrize("name", ["fedsgd", "Local", "", "local ", "common", "../local"])
def test_an_unknown_method_is_refused_with_the_known_ones(
    name: str, config: dict[str, Value]
) -> None:
    known = ", ".join(methods.METHODS)
    told = f"setting method: unknown {name!r}; the known ones are {known}"
    for ask in (
        lambda: client_half(name, config),
        lambda: server_half(name, config, refuse),
        lambda: methods.method_settings(name, config),
    ):
        with pytest.raises(SettingsError) as caught:
            ask()
        assert str(caught.value) == told


def test_every_folder_of_a_method_is_in_the_table() -> None:
    folders = {
        path.parent.name for path in (ROOT / "strategies").glob("*/client.py") if path.is_file()
    }
    assert folders - {methods.AUGMENTATION} == set(methods.METHODS)


def test_the_table_loads_no_method(fresh_processes: FreshProcesses) -> None:
    code = "import sys, strategies.methods; print(' '.join(sys.modules))"
    done = fresh_processes.run("-c", code)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "strategies.methods" in loaded
    assert not {f"strategies.{name}" for name in EVERY} & loaded


@pytest.mark.parametrize("name", EVERY)
def test_what_a_method_states_for_reports_fits_together(
    name: str, config: dict[str, Value]
) -> None:
    # Of an older run, the table may lack keys, or be missing altogether.
    for told in (config, {}):
        stated = methods.presentation(name, told)
        assert set(stated.headline) <= set(stated.models)
        assert bool(stated.models) == bool(stated.headline)
        assert stated.alone == (name == "local")


def test_of_an_unknown_method_nothing_is_stated(config: dict[str, Value]) -> None:
    assert methods.presentation("of-another-version", config) == Presentation()


def test_a_method_is_told_its_own_table_alone() -> None:
    config: dict[str, Value] = {"fedadapter.shared-rounds": 0, "feddat.inference": "teacher"}
    assert methods.presentation("fedadapter", config).alone
    assert methods.presentation("feddat", config).headline == ("teacher",)
    assert not methods.presentation("fedadapter", {"shared-rounds": 0}).alone


@pytest.mark.parametrize(
    ("method", "key", "read"),
    [
        ("fd", "learning-rate", True),
        ("fd", "fedproto.proto-weight", False),
        ("fedproto", "fedproto.proto-weight", True),
        ("splitfed", "split.cut", True),
        ("fd", "split.cut", False),
        ("feddat", "adapters.rank", True),
        ("local", "adapters.rank", False),
        ("fedktl", "stylegan.truncation", True),
        ("fedproto", "stylegan.truncation", False),
    ],
)
def test_a_method_reads_general_settings_its_own_and_those_of_its_kind(
    method: str, key: str, read: bool
) -> None:
    assert methods.reads(method, key) is read


@pytest.mark.parametrize("name", ["splitfed", "mocosfl", "feddat", "fedadapter", "fedlora"])
def test_what_reads_no_windows_normalises_none(name: str, config: dict[str, Value]) -> None:
    with pytest.raises(SettingsError, match=rf"normalise: expected 'none' for {name}, got 'chan"):
        client_half(name, {**config, "normalise": "channels"})


_TELLS = (
    "fedproto.prototypes.counts tells how many samples of each class a client has; set "
    "fedproto.aggregation to 'uniform'"
)
_COUNTS = (
    "fedgen.model.counts tells how many samples of each class a client has; choose another method"
)
_TESTED_THERE = (
    "clients send the server the class of every sample that it tests with; choose a method whose "
    "clients test themselves, e.g. fd"
)


@pytest.mark.parametrize("name", EVERY)
def test_class_counts_stay_private_or_the_method_is_refused_where_settings_are_read(
    name: str, config: dict[str, Value]
) -> None:
    told = {
        "fedproto": _TELLS,
        "fedgen": _COUNTS,
        "splitfed": _TESTED_THERE,
        "mocosfl": _TESTED_THERE,
    }.get(name)
    methods.method_settings(name, config)
    closed: dict[str, Value] = {**config, "share-class-counts": False}
    if told is None:
        assert methods.method_settings(name, closed) == methods.method_settings(name, config)
        return
    for ask in (
        lambda: methods.method_settings(name, closed),
        lambda: client_half(name, closed),
        lambda: server_half(name, closed, refuse),
    ):
        with pytest.raises(SettingsError) as caught:
            ask()
        assert str(caught.value) == (
            f"setting share-class-counts: expected true for {name}, got false; {told}"
        )


@pytest.mark.parametrize("name", ["fd", "local"])
def test_class_counts_are_no_secret_where_seeds_are_uploaded(
    name: str, config: dict[str, Value]
) -> None:
    closed: dict[str, Value] = {**config, "share-class-counts": False, "augmentation": "faug"}
    told = f"share-class-counts: expected true for {name}, got false; with augmentation a client's"
    with pytest.raises(SettingsError, match=told):
        methods.method_settings(name, closed)
    methods.method_settings(name, {**closed, "share-class-counts": True})


def test_a_method_that_weighs_alike_sends_no_counts(config: dict[str, Value]) -> None:
    alike: dict[str, Value] = {**config, "share-class-counts": False}
    alike["fedproto.aggregation"] = "uniform"
    settings = methods.method_settings("fedproto", alike)
    kind = methods.client_class("fedproto").wire.up
    assert kind is not None
    assert unsent(kind, settings) == {"counts"}


@pytest.mark.parametrize("schema", payloads())
def test_no_payload_counts_classes_unseen(schema: str) -> None:
    # Whatever a method sends in whichever round: counts beside labels are declared as such, so
    # that the method is refused where they are private.
    kind = payloads()[schema]
    rules = rules_of(kind)
    of_classes = {axis for rule in rules.values() if rule.is_label for axis in rule.axes}
    beside = [r for r in rules.values() if r.kind == "int64" and of_classes.intersection(r.axes)]
    whole = [rule for rule in beside if not rule.is_label]
    assert all(rule.counts_samples for rule in whole)
    assert not whole or kind in {methods.client_class(name).wire.up for name in EVERY}


def test_a_method_is_called_as_its_paper_writes_it() -> None:
    assert methods.display_name("dsfl") == "DS-FL"
    assert methods.display_name("fedktl") == "FedKTL"
    assert methods.display_name("of another version") == "of another version"
