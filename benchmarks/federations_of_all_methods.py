"""Small federations that go through every method and its main options."""

from typing import Any

_SMALL: dict[str, Any] = {
    "nodes": 3,
    "models": "cnn,resnet4,resnet6",
    "data": "digits",
    "max-samples": 120,
    "rounds": 3,
    "evaluate-every": 2,
    "oriented.image-size": 16,
    "fedktl.server-epochs": 10,
}
_SPLIT: dict[str, Any] = {
    **_SMALL,
    "partition": "iid",
    "max-samples": 40,
    "batch-size": 4,
    "clients-per-node": 2,
    "split.width": 4,
    "split.profile": False,
    "splitfed.steps-per-round": 3,
    "mocosfl.batch": 4,
    "mocosfl.steps-per-round": 3,
    "mocosfl.memory-size": 64,
    "mocosfl.projection-hidden": 16,
    "mocosfl.projection-dim": 16,
    "mocosfl.probe-epochs": 3,
}
_ADAPTERS: dict[str, Any] = {
    **_SMALL,
    "data": "digitgrid:function",
    "max-samples": 60,
    "batch-size": 8,
    "adapters.rank": 2,
    "adapters.learning-rate": 0.01,
    "fedlora.ranks": "2,3",
}

# Settings by name; ``nodes`` is the number of clients. An expert's file is given by whoever plays.
FEDERATIONS: dict[str, dict[str, Any]] = {
    "local": {**_SMALL, "method": "local"},
    "fedproto": {**_SMALL, "method": "fedproto"},
    "fedproto, one of two": {**_SMALL, "method": "fedproto", "participation": 0.5, "rounds": 4},
    "fedproto, uniform, head": {
        **_SMALL,
        "method": "fedproto",
        "fedproto.aggregation": "uniform",
        "fedproto.inference": "head",
        "wire-dtype": "float16",
    },
    "fd": {**_SMALL, "method": "fd"},
    "fd, one of two": {**_SMALL, "method": "fd", "participation": 0.5, "rounds": 4},
    "fedktl": {**_SMALL, "method": "fedktl"},
    "fedktl, head kept": {
        **_SMALL,
        "method": "fedktl",
        "fedktl.reset-transfer-head": False,
        "fedktl.images-per-class": 2,
        "fedktl.freeze-batch-norm": True,
    },
    "splitfed": {**_SPLIT, "method": "splitfed"},
    "splitfed, v2": {**_SPLIT, "method": "splitfed", "splitfed.version": "v2"},
    "splitfed, pool": {
        **_SPLIT,
        "method": "splitfed",
        "splitfed.gradient-scale": "pool",
        "splitfed.steps-per-round": 0,
        "participation": 0.6,
    },
    "mocosfl": {**_SPLIT, "method": "mocosfl"},
    "mocosfl, v1, averaged": {
        **_SPLIT,
        "method": "mocosfl",
        "mocosfl.version": "v1",
        "mocosfl.average-momentum": True,
        "mocosfl.client-schedule": "wave",
        "mocosfl.pool": 4,
        "split.codec": "uint8",
    },
    "mocosfl, frozen": {
        **_SPLIT,
        "method": "mocosfl",
        "rounds": 4,
        "mocosfl.expert": "given",
        "mocosfl.cache-rounds": 1,
    },
    "feddat": {**_ADAPTERS, "method": "feddat"},
    "feddat, teacher": {
        **_ADAPTERS,
        "method": "feddat",
        "feddat.inference": "teacher",
        "feddat.joint-step": True,
        "adapters.aggregation-weights": "samples",
        "adapters.head": "mlp",
    },
    "fedadapter": {**_ADAPTERS, "method": "fedadapter"},
    "fedadapter, then alone": {
        **_ADAPTERS,
        "method": "fedadapter",
        "fedadapter.shared-rounds": 1,
        "fedadapter.compute": 2.0,
    },
    "fedlora": {**_ADAPTERS, "method": "fedlora"},
    "fedlora, svd": {**_ADAPTERS, "method": "fedlora", "fedlora.aggregation": "svd"},
    "fedlora, naive": {
        **_ADAPTERS,
        "method": "fedlora",
        "fedlora.aggregation": "naive",
        "fedlora.ranks": "2",
        "wire-dtype": "float16",
    },
}
