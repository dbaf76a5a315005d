"""A half gets what it declares, and nothing before there is anything to get."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch

from models import catalogue
from strategies.common.agreed import Agreed, Need
from strategies.common.errors import DataError, ModelError, SettingsError
from strategies.common.inputs import Images
from strategies.common.meaning import Meaning
from strategies.common.message import MessageServer, NoState
from strategies.common.open_data import OpenData, OpenLabels, OpenSet
from strategies.common.payload import Payload
from strategies.common.payloads import FeatureRows
from strategies.common.provided import Provided
from strategies.common.round import Aggregated, Reply
from strategies.common.settings import Settings
from strategies.common.task import Task
from strategies.methods import adapter_settings, split_settings
from tests.strategies.fedktl.fake_generator import FakeGenerator
from tests.strategies.halves import client, run_of, server

CPU = torch.device("cpu")
RUN = run_of("local", feature_dim=16)
TASK = Task(num_classes=3, inputs=Images(1, 8, 8), feature_dim=16)


class Toy(MessageServer[Settings, NoState, Payload, Payload]):
    """A server that asks for everything."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MODELS})

    def aggregate(
        self, state: NoState, round_number: int, replies: Sequence[Reply[Any]]
    ) -> Aggregated:
        return Aggregated()


class Richer(Toy):
    needs: ClassVar[frozenset[Need]] = frozenset({Need.GENERATOR})


def provided(**offers: Any) -> Provided:
    return Provided(RUN, Settings(), CPU, {Need[name]: made for name, made in offers.items()})


ASK: dict[str, Callable[[Provided], object]] = {
    "SPLIT": lambda own: own.split,
    "ADAPTERS": lambda own: own.adapters,
    "GENERATOR": lambda own: own.generator,
    "MODELS": lambda own: own.build_model("cnn", TASK, 0),
    "OPEN_DATA": lambda own: own.open_data,
    "OPEN_LABELS": lambda own: own.open_labels(""),
}


@pytest.mark.parametrize("need", ASK)
def test_what_was_not_declared_is_refused_by_name(need: str) -> None:
    assert set(ASK) == {known.name for known in Need}
    with pytest.raises(TypeError, match=rf"expected Need\.{need} among the needs"):
        ASK[need](provided())


@pytest.mark.parametrize("method", ["local", "fd", "fedproto"])
@pytest.mark.parametrize("need", ASK)
def test_halves_that_declare_nothing_get_nothing(method: str, need: str) -> None:
    for half in (client(method), server(method)):
        with pytest.raises(TypeError, match=rf"Need\.{need}"):
            ASK[need](half.provided)


def test_what_was_declared_is_given(config: dict[str, Any]) -> None:
    split, adapters = split_settings(config), adapter_settings(config)
    own = provided(SPLIT=split, ADAPTERS=adapters)
    assert own.split is split
    assert own.adapters is adapters
    known = own.agree(TASK)
    assert known.split is split
    assert known.adapters is adapters


def test_a_generator_is_built_once_and_not_before_it_is_asked_for() -> None:
    built: list[FakeGenerator] = []

    def build() -> FakeGenerator:
        built.append(FakeGenerator())
        return built[-1]

    own = provided(GENERATOR=build)
    assert built == []
    assert own.generator is own.generator
    assert len(built) == 1


def test_open_data_are_those_that_clients_hold_and_their_models_can_read() -> None:
    held = OpenData.of(torch.zeros(4, 1, 8, 8, dtype=torch.uint8))
    own = provided(OPEN_DATA=lambda: held)
    own.agree(replace(TASK, open_set=held.told))
    assert own.open_data is held
    own.agree(replace(TASK, open_set=OpenSet("1" * 64, 4)))
    told = r"expected the 4 samples of sha256 1{12} that clients hold, got 4 .*copy the same"
    with pytest.raises(DataError, match=told):
        _ = own.open_data
    own.agree(Task(3, Images(1, 9, 9), feature_dim=16))
    with pytest.raises(DataError, match=r"expected images of 1 x 9 x 9 .*set image-size"):
        _ = own.open_data


def test_labels_of_open_data_are_of_the_clients_classes() -> None:
    labels = torch.tensor([0, 2, 1])
    own = provided(OPEN_LABELS=lambda: OpenLabels(labels, ("cat", "dog", "fox")))
    own.agree(TASK)
    assert own.open_labels("") is labels
    for names in (("cat", "dog", "fox"), ("cat", "dog", "cow")):
        own.agree(replace(TASK, meaning=Meaning(class_names=names)))
        if names[2] == "fox":
            assert own.open_labels("") is labels
            continue
        told = r"server: .* 3 classes, cat, dog, cow .* fox; .*set x=0"
        with pytest.raises(DataError, match=told):
            own.open_labels("x=0")


def test_needs_of_bases_are_added() -> None:
    assert Toy.all_needs() == {Need.MODELS}
    assert Richer.all_needs() == {Need.MODELS, Need.GENERATOR}
    assert client("local").all_needs() == frozenset()


def test_a_server_builds_the_devices_models() -> None:
    half = Toy(Settings(), provided(MODELS=catalogue.builder(RUN.feature_dim)))
    for name in ("cnn", "resnet4"):
        there = half.provided.build_model(name, TASK, seed=7).state_dict()
        here = catalogue.build(name, TASK, RUN.feature_dim, 7).state_dict()
        other = half.provided.build_model(name, TASK, seed=8).state_dict()
        assert there.keys() == here.keys()
        assert all(torch.equal(there[key], here[key]) for key in here)
        assert not all(torch.equal(there[key], other[key]) for key in here)
    with pytest.raises(SettingsError, match="perceptron"):
        half.provided.build_model("perceptron", TASK, seed=0)


def test_nothing_is_agreed_before_the_task_is_known() -> None:
    half = server("fedproto")
    with pytest.raises(RuntimeError, match="before its clients agreed on a task"):
        _ = half.agreed
    assert half.provided.agree(TASK) is half.agreed
    assert half.agreed.task == TASK
    assert half.agreed.run.method == "fedproto"
    assert half.agreed.settings is half.settings
    # A later task replaces the first, as a device meets another run's.
    assert half.provided.agree(Task(2, Images(1, 4, 4), 8)).task.num_classes == 2
    assert half.agreed.task.num_classes == 2


def test_features_of_unlike_widths_have_no_width() -> None:
    known = Agreed(Task(3, Images(1, 8, 8), feature_dim=0), run_of("fedproto"), Settings())
    told = r"fedproto: expected features of one width .* set feature-dim to the width"
    with pytest.raises(ModelError, match=told):
        _ = known.feature_dim
    with pytest.raises(ModelError, match=told):
        FeatureRows.sizes(known)
    assert Agreed(TASK, RUN, Settings()).feature_dim == 16


def test_tables_that_no_half_declared_are_not_agreed() -> None:
    known = provided().agree(TASK)
    for name, kind in (("split", "SplitSettings"), ("adapters", "AdapterSettings")):
        with pytest.raises(TypeError, match=f"expected {kind} among the needs"):
            getattr(known, name)
