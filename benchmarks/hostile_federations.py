"""The federations in which hostile clients are tried, one of each method."""

from collections.abc import Mapping
from typing import Final

Settings = Mapping[str, bool | int | float | str]

# What devices of methods with adapters would load.
STAND_INS: Final = {
    "client_app.backbones.loading.load": "tests.strategies.tiny_backbone:TinyBackbone"
}
_MESSAGES: Final[Settings] = {
    "models": "cnn",
    "data": "digits",
    "partition": "iid",
    "max-samples": 80,
    "feature-dim": 32,
    "learning-rate": 0.05,
    "local-epochs": 1,
    "fedktl.server-epochs": 5,
    "fedtgp.server-epochs": 10,
}
_ADAPTERS: Final[Settings] = {
    "data": "digitgrid:function",
    "max-samples": 80,
    "evaluate-every": 1,
    "batch-size": 8,
    "adapters.rank": 2,
    "adapters.learning-rate": 0.01,
    "fedlora.ranks": "2,3",
}
_SPLIT: Final[Settings] = {
    "data": "digits",
    "partition": "iid",
    "max-samples": 80,
    "batch-size": 8,
    "learning-rate": 0.01,
    "evaluate-every": 1,
    "split.width": 4,
    "split.profile": False,
    "splitfed.steps-per-round": 10,
    "mocosfl.batch": 8,
    "mocosfl.steps-per-round": 3,
    "mocosfl.memory-size": 64,
    "mocosfl.projection-hidden": 16,
    "mocosfl.projection-dim": 16,
    "mocosfl.probe-epochs": 5,
    "mocosfl.semi-supervised": False,
}
_OPEN: Final[Settings] = {
    **_MESSAGES,
    "open-data": "digits",
    "open-samples": 200,
    "dsfl.samples-per-round": 100,
    "fedmd.samples-per-round": 100,
    "feddf.distill-steps": 20,
}
SETTINGS: Final[Mapping[str, Settings]] = {
    **dict.fromkeys(("dsfl", "fedmd", "feddf"), _OPEN),
    **dict.fromkeys(("fedavg", "fedgen", "fedproto", "fd", "fedktl"), _MESSAGES),
    **dict.fromkeys(("fedtgp", "fedgh", "lgfedavg", "fml", "fedkd", "fedl2g"), _MESSAGES),
    "fedmrl": {**_MESSAGES, "fedmrl.shared-dim": 8},
    **dict.fromkeys(("fedadapter", "feddat", "fedlora"), _ADAPTERS),
    **dict.fromkeys(("splitfed", "mocosfl"), _SPLIT),
}


def streams(method: str) -> bool:
    """Tell whether clients exchange activations within a round."""
    return SETTINGS[method] is _SPLIT


def changes(method: str) -> bool:
    """Tell whether clients send weights that they changed."""
    averaged = (
        *("fedavg", "feddf", "lgfedavg", "fml", "fedkd", "fedmrl", "fedl2g"),
        *("fedadapter", "feddat"),
    )
    return method in averaged or streams(method)


def has_keys(method: str) -> bool:
    """Tell whether clients stream keys beside queries."""
    return method == "mocosfl"
