"""An exported adapter is read back exactly, and only for its own backbone."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from strategies.common import tensor_file
from strategies.common.adapters import export
from strategies.common.adapters.adapter_set import AdapterSet, AdapterShape
from strategies.common.adapters.dual import merged
from strategies.common.errors import StoreError

BACKBONE = "ab" * 32
SHAPE = AdapterShape(("text.0", "image.0"), (4, 6), 2)


def adapters(seed: int = 0) -> AdapterSet:
    return AdapterSet(SHAPE, "normal", torch.Generator().manual_seed(seed))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "adapter.safetensors"
    export.write(path, adapters(), BACKBONE)
    return path


def test_what_is_exported_is_read(written: Path) -> None:
    found = export.read(written, BACKBONE)
    assert found.shape == SHAPE
    assert torch.equal(found.vector(), adapters().vector())
    tensors, text = tensor_file.read(written)
    assert {key: tuple(tensor.shape) for key, tensor in tensors.items()} == dict(SHAPE.keys())
    assert text["backbone"] == BACKBONE


def test_a_personalised_client_travels_as_one(tmp_path: Path) -> None:
    single = merged(adapters(1), adapters(2))
    export.write(tmp_path / "client", single, BACKBONE)
    found = export.read(tmp_path / "client", BACKBONE)
    assert found.shape.rank == 4
    assert torch.equal(found.vector(), single.vector())


def test_another_backbone_is_refused(written: Path) -> None:
    with pytest.raises(StoreError, match=f"expected adapters for the backbone cdcd.*{BACKBONE};"):
        export.read(written, "cd" * 32)


@pytest.mark.parametrize("place", [20, -1])
def test_damage_is_refused(written: Path, place: int) -> None:
    blob = bytearray(written.read_bytes())
    blob[place] ^= 1
    written.write_bytes(blob)
    with pytest.raises(StoreError, match=r"adapter\.safetensors"):
        export.read(written, BACKBONE)


def test_a_missing_or_cut_file_is_refused(written: Path) -> None:
    written.write_bytes(written.read_bytes()[:-8])
    for path in (written, written.with_name("none")):
        with pytest.raises(StoreError, match="expected a readable tensor file"):
            export.read(path, BACKBONE)


def rewritten(
    path: Path, tensors: dict[str, Tensor] | None = None, text: dict[str, str] | None = None
) -> None:
    """Change a file by its own rules, so that its checksum is right."""
    old_tensors, old_text = tensor_file.read(path)
    kept = {k: v for k, v in {**old_tensors, **(tensors or {})}.items() if v is not None}
    tensor_file.write(path, kept, {**old_text, **(text or {})})


def shape_text(**changes: object) -> dict[str, str]:
    shape = {"names": SHAPE.names, "widths": SHAPE.widths, "rank": 2, **changes}
    return {"shape": json.dumps(shape)}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ({"format": "other-2"}, "format bottleneck-adapters-1, got other-2"),
        ({"shape": "{"}, "the adapters' shape"),
        (shape_text(rank="2"), "the adapters' shape: rank"),
        (shape_text(more=1), "the adapters' shape: more"),
        (shape_text(widths=[4]), "expected 2 widths"),
        (shape_text(rank=0), "at least 1"),
        # Refused before so many numbers are made room for.
        (shape_text(rank=10**12), "expected float32"),
        (shape_text(names=["text.0", "image.1"]), r"missing or unknown: image\.0\.down\.bias"),
    ],
)
def test_a_wrong_description_is_refused(written: Path, text: dict[str, str], told: str) -> None:
    rewritten(written, text=text)
    with pytest.raises(StoreError, match=told):
        export.read(written, BACKBONE)


@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        (None, r"missing or unknown: text\.0\.up\.bias"),
        (torch.zeros(5), r"text\.0\.up\.bias: expected float32 \(4,\), got torch.float32 \(5,\)"),
        (torch.zeros(4).half(), "got torch.float16"),
        (torch.tensor([0.0, float("nan"), 0.0, 0.0]), "expected finite values"),
    ],
)
def test_wrong_tensors_are_refused(written: Path, tensor: Tensor | None, told: str) -> None:
    rewritten(written, tensors={"text.0.up.bias": tensor})
    with pytest.raises(StoreError, match=told):
        export.read(written, BACKBONE)


def test_other_tensor_files_are_refused(tmp_path: Path) -> None:
    tensor_file.write(tmp_path / "state", {"x": torch.zeros(1)}, {})
    with pytest.raises(StoreError, match="got none; name a file"):
        export.read(tmp_path / "state", BACKBONE)
