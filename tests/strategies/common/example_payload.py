"""A payload with a field of every kind, and blobs of it that are right or wrong."""

import json
import struct

import pytest
import safetensors.torch
import torch
from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.errors import WireError
from strategies.common.inputs import Images
from strategies.common.payload import Payload, Sizes, labels, payload, tensor
from strategies.common.task import Task
from strategies.common.wire import decode
from tests.strategies.halves import agreed, run_of

TASK = Task(num_classes=4, inputs=Images(3, 2, 2), feature_dim=5)
STAMP = {"schema": "test.means", "version": "2"}


def known(task: Task = TASK, wire_dtype: str = "float32") -> Agreed:
    """Return what both sides know; the method does not matter."""
    return agreed("local", task, run_of("local", wire_dtype=wire_dtype))


AGREED = {dtype: known(wire_dtype=dtype) for dtype in ("float32", "float16")}


@payload("test.means", version=2)
class Means(Payload):
    """Class means, an image each, a flag each, and counts by class."""

    means: Tensor = tensor("float", "present", "feature")
    classes: Tensor = labels("present")
    images: Tensor = tensor("uint8", "present", "channel")
    flags: Tensor = tensor("bool", "present")
    counts: Tensor = tensor("int64", "class")
    hints: Tensor = labels("hint", unique=False)

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        task = agreed.task
        return Sizes(
            {
                "feature": task.feature_dim,
                "channel": task.images.channels,
                "class": task.num_classes,
            },
            {"present": task.num_classes, "hint": 6},
        )


def values(rows: int = 2) -> dict[str, Tensor]:
    return {
        "means": torch.arange(rows * 5, dtype=torch.float32).reshape(rows, 5) / 4,
        "classes": torch.arange(rows).flip(0),
        "images": torch.full((rows, 3), 255, dtype=torch.uint8),
        "flags": torch.ones(rows, dtype=torch.bool),
        "counts": torch.tensor([7, 0, 1, 2]),
        "hints": torch.tensor([3, 3, 0]),
    }


def blob_of(tensors: dict[str, Tensor], stamp: dict[str, str] | None = None) -> bytes:
    return bytes(safetensors.torch.save(tensors, metadata=stamp or STAMP))


def raw(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str, shape: list[int], start: int, stop: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def read(blob: bytes, wire_dtype: str = "float32") -> Means:
    return decode(Means, blob, AGREED[wire_dtype], sender="client 7 (cnn)")


def refused(blob: bytes, wire_dtype: str = "float32") -> str:
    with pytest.raises(WireError) as caught:
        read(blob, wire_dtype)
    message = str(caught.value)
    assert message.startswith("client 7 (cnn): test.means")
    assert "\n" not in message
    return message


def same(found: Means, sent: dict[str, Tensor]) -> None:
    for name, value in sent.items():
        assert getattr(found, name).dtype == value.dtype
        assert torch.equal(getattr(found, name), value), name
