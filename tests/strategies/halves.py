"""Halves as the apps build them, from the project's defaults, for tests."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from models import catalogue
from strategies import methods
from strategies.common.agreed import Agreed, Need
from strategies.common.open_data import OpenData, OpenLabels
from strategies.common.payload import Payload
from strategies.common.round import Reply
from strategies.common.run_config import default_config, read_run
from strategies.common.settings import RunSettings
from strategies.common.task import Task
from tests.strategies.fedktl.fake_generator import FakeGenerator

Value = bool | int | float | str
CPU = torch.device("cpu")


def run_of(method: str, **overrides: Value) -> RunSettings:
    """Return general settings: the defaults, and overrides by Python name."""
    chosen: dict[str, Value] = {"device": "cpu", "server_device": "cpu", **overrides}
    named = {key.replace("_", "-"): value for key, value in chosen.items()}
    return read_run({**default_config(), **named, "method": method})


def config_of(method: str, run: RunSettings, own: Mapping[str, Value]) -> dict[str, Value]:
    """Return Flower's flat config with a run's settings and changes to the method's table.

    A key with a dot is one of another table.
    """
    tables = {
        key if "." in key else f"{method}.{key.replace('_', '-')}": value
        for key, value in own.items()
    }
    return {**default_config(), **run.model_dump(by_alias=True), "method": method, **tables}


def client(
    method: str, task: Task | None = None, run: RunSettings | None = None, **own: Value
) -> Any:
    """Build a client half that knows the task, with changes to the method's table."""
    run = run or run_of(method)
    makers = {Need.MODELS: catalogue.builder(run.feature_dim), Need.OPEN_DATA: None}
    half = methods.client_half(method, config_of(method, run, own), run, CPU, makers)
    if task is not None:
        half.provided.agree(task)
    return half


def server(
    method: str,
    task: Task | None = None,
    run: RunSettings | None = None,
    generator: Callable[[], Any] = FakeGenerator,
    open_data: Callable[[], OpenData] | None = None,
    open_labels: Callable[[], OpenLabels] | None = None,
    **own: Value,
) -> Any:
    """Build a server half that knows the task, with changes to the method's table."""
    run = run or run_of(method)
    makers = {
        Need.MODELS: catalogue.builder(run.feature_dim),
        Need.GENERATOR: generator,
        Need.OPEN_DATA: open_data,
        Need.OPEN_LABELS: open_labels,
    }
    half = methods.server_half(method, config_of(method, run, own), run, CPU, makers)
    if task is not None:
        half.provided.agree(task)
    return half


def agreed(method: str, task: Task, run: RunSettings | None = None, **own: Value) -> Agreed:
    """Return what both sides of a method know of a task."""
    known: Agreed = client(method, task, run, **own).agreed
    return known


def replies(uplinks: Mapping[int, Payload], samples: int = 1) -> list[Reply[Any]]:
    """Return uploads by partition as a server half gets them, in the order given."""
    return [Reply(partition, samples, sent) for partition, sent in uplinks.items()]
