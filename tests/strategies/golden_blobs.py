"""One small blob of every payload that has ever travelled, as it travelled.

After a payload is new or its version is raised, ``python -m tests.strategies.golden_blobs`` writes
what is missing into ``tests/strategies/golden/``. Files that are there stay as they are: devices
out there may send what they hold.
"""

import sys
from collections.abc import Iterator
from importlib import import_module
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from strategies import methods
from strategies.common.agreed import Agreed, Need
from strategies.common.architecture import Architecture
from strategies.common.inputs import Images
from strategies.common.open_data import OpenSet
from strategies.common.payload import Payload, Rule, Sizes, rules_of
from strategies.common.run_config import default_config, read_run
from strategies.common.settings import Settings
from strategies.common.task import Foundation, Place, Task
from strategies.common.wire import encode

FOLDER = Path(__file__).with_name("golden")
FEW = 2
BLOCKS = (Place("blocks.0", 4, 4), Place("blocks.1", 4, 4))
TASK = Task(
    num_classes=3,
    inputs=Images(1, 8, 8),
    feature_dim=4,
    foundation=Foundation("0" * 64, 2, BLOCKS),
    open_set=OpenSet("0" * 64, 5),
)
SHAPES = (torch.Size((1, 1)), torch.Size((4,)))
ARCHITECTURE = Architecture("0" * 64, parameters=5, statistics=2, shapes=SHAPES)
SETTINGS: dict[str, bool | int | float | str] = {
    "wire-dtype": "float32",
    "open-data": "digits",
    "split.network": "resnet18",
    "split.width": 4,
    "split.cut": 1,
    "split.bottleneck": "",
    "clients-per-node": 1,
    # Of the generator, as the server's order says it.
    "fedktl.latent-dim": 4,
    "faug.hidden-dim": 2,
    "faug.noise-dim": 2,
}


def payloads() -> dict[str, type[Payload]]:
    """Return every payload of every method by its schema."""
    for method in methods.METHODS:
        for half in ("client", "server"):
            import_module(f"strategies.{method}.{half}")
    import_module("strategies.faug.wire")
    return {kind.schema: kind for kind in sorted(_named(Payload), key=lambda kind: kind.schema)}


def agreed_on(kind: type[Payload]) -> Agreed:
    """Return what both sides know in a run of a method that sends a payload."""
    before = kind.schema.startswith(f"{methods.AUGMENTATION}.")
    method = "fd" if before else next(n for n in methods.METHODS if _sends(n, kind))
    config = {**default_config(), **SETTINGS, "method": method}
    tables: dict[Need, Settings] = {
        Need.SPLIT: methods.split_settings(config),
        Need.ADAPTERS: methods.adapter_settings(config),
    }
    own: Settings = methods.method_settings(method, config)
    if before:
        own = methods.augmentation_settings(config)
    return Agreed(TASK, read_run(config), own, tables, ARCHITECTURE, ARCHITECTURE)


def file_of(schema: str, version: int) -> Path:
    """Return where a version's blob lies."""
    return FOLDER / f"{schema}.v{version}.safetensors"


def example(kind: type[Payload]) -> Payload:
    """Build a payload of plain numbers: few rows, or as many as both sides agree on."""
    agreed = agreed_on(kind)
    sizes = kind.sizes(agreed)
    for rows_of_one, whole in ((False, False), (True, False), (False, True)):
        values = {
            name: None
            if name in sizes.absent
            else _numbers(rule, sizes, one_hot=rows_of_one, whole=whole)
            for name, rule in rules_of(kind).items()
        }
        made = kind(**values)
        if (fault := made.fault(agreed)) is None:
            return made
    raise ValueError(f"{kind.schema}: expected plain numbers to do, got {fault}")


def _numbers(rule: Rule, sizes: Sizes, *, one_hot: bool, whole: bool) -> Tensor:
    """Return numbers of a field: few, or as many as may be with whole numbers at their least."""
    shape = [
        sizes.bound(axis) if whole or axis in sizes.exact else min(FEW, sizes.at_most[axis])
        for axis in rule.axes
    ]
    ramp = torch.arange(prod(shape)).reshape(shape)
    if rule.kind == "float" and one_hot and len(shape) == 2:
        return torch.eye(shape[1])[torch.arange(shape[0]) % shape[1]]
    if rule.kind == "float":
        low, high = rule.low or 0.0, 1.0 if rule.high is None else rule.high
        return low + (high - low) * (ramp % 7) / 8
    if rule.is_label:
        return ramp % TASK.num_classes
    least = 0 * ramp + int(rule.low or 0)
    return (least if whole else ramp + 1).to(getattr(torch, rule.kind))


def _sends(method: str, kind: type[Payload]) -> bool:
    if kind.__module__.startswith(f"strategies.{method}."):
        return True
    wire = methods.client_class(method).wire
    return kind in (wire.up, wire.down)


def _named(base: type[Payload]) -> Iterator[type[Payload]]:
    """Yield what a product's module holds under its name: no example of a docstring, no test's."""
    for kind in base.__subclasses__():
        held = getattr(sys.modules[kind.__module__], kind.__name__, None)
        if "schema" in vars(kind) and kind.__module__.startswith("strategies.") and held is kind:
            yield kind
        yield from _named(kind)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for kind in payloads().values():
        path = file_of(kind.schema, kind.version)
        if not path.exists():
            path.write_bytes(encode(example(kind), "float32"))
            sys.stdout.write(f"{path}\n")
