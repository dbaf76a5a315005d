"""The expert's file: round trip, and refusal of what does not fit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from strategies.common import tensor_file
from strategies.common.errors import SettingsError, StoreError
from strategies.common.inputs import Images
from strategies.common.run_config import read_table
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.mocosfl.taressfl import expert
from strategies.mocosfl.taressfl.expert import Description, Expert, Provenance
from strategies.mocosfl.taressfl.structure import Structure, structure
from strategies.mocosfl.taressfl.verdict import Finding, Quality, Verdict

STRUCTURE = Structure(
    network="resnet18",
    width=64,
    cut=2,
    bottleneck="C4S2",
    weight_standardisation=True,
    client_residual=True,
    channels=3,
    image_height=32,
    image_width=32,
    projection_hidden=1024,
    projection_dim=1024,
)
PROVENANCE = Provenance(
    target="digits",
    auxiliary="folder:/data/letters",
    target_images=14,
    auxiliary_images=500,
    steps=1000,
    ssim_target=0.6,
    ssim_weight=2.0,
    codec="float32",
    seed=3,
    notes=("a note",),
)
TASK = Task(num_classes=10, inputs=Images(3, 32, 32), feature_dim=0)
Value = bool | int | float | str
VERDICT = Verdict(
    (
        Finding("res_normN4C64 seed 0", Quality(0.039, 0.42, 14.5)),
        Finding("res_N2C32 seed 0", Quality(0.031, 0.44, 15.5)),
    ),
    Quality(0.06, 0.2, 12.0),
    0.02,
)


def made() -> Expert:
    return Expert(
        description=Description(structure=STRUCTURE, provenance=PROVENANCE, verdict=VERDICT),
        front=torch.arange(5.0),
        momentum_front=-torch.arange(5.0),
        online={"back.weight": torch.ones(2, 2), "head.bias": torch.zeros(3)},
        momentum={"back.weight": torch.zeros(2, 2), "head.bias": torch.ones(3)},
        pictures=torch.randint(0, 256, (2, 3, 8, 18), dtype=torch.uint8),
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    sent, path = made(), tmp_path / "front.safetensors"

    expert.save(path, sent)
    found = expert.load(path, STRUCTURE)

    assert found.description == sent.description
    for name in ("front", "momentum_front", "pictures"):
        assert torch.equal(getattr(found, name), getattr(sent, name))
    for part in ("online", "momentum"):
        own, theirs = getattr(found, part), getattr(sent, part)
        assert own.keys() == theirs.keys()
        assert all(torch.equal(own[name], theirs[name]) for name in theirs)
    assert [picture.pixels.shape for picture in found.drawn()] == [(3, 8, 18)] * 2
    assert found.description.verdict.worst.attacker == "res_N2C32 seed 0"


def test_tensors_that_share_memory_are_saved_apart(tmp_path: Path) -> None:
    weight = torch.arange(4.0)
    sent = replace(made(), online={"a": weight, "b": weight}, front=weight[::2])

    expert.save(tmp_path / "e", sent)
    found = expert.load(tmp_path / "e", None)

    assert torch.equal(found.online["b"], weight)
    assert found.front.tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("network", "vgg11", "network: expected 'resnet18', got 'vgg11'"),
        ("width", 32, "width: expected 64, got 32"),
        ("cut", 1, "cut: expected 2, got 1"),
        ("bottleneck", "", "bottleneck: expected 'C4S2', got ''"),
        ("weight-standardisation", False, "weight-standardisation: expected True, got False"),
        ("client-residual", False, "client-residual: expected True, got False"),
    ],
)
def test_a_run_of_another_network_is_refused(
    config: dict[str, Value], tmp_path: Path, setting: str, value: Value, told: str
) -> None:
    expert.save(tmp_path / "e", made())
    run = {**config, "split.cut": 2, "split.bottleneck": "C4S2"}
    own = structure(read_table(run, "split", SplitSettings), TASK, 1024, 1024)
    changed = read_table({**run, f"split.{setting}": value}, "split", SplitSettings)

    assert expert.load(tmp_path / "e", own).description.structure == own
    with pytest.raises(SettingsError, match="take over its settings") as refusal:
        expert.load(tmp_path / "e", structure(changed, TASK, 1024, 1024))

    assert told in str(refusal.value)
    assert str(refusal.value).count("expected") == 1


def test_all_differences_are_told_at_once(config: dict[str, Value], tmp_path: Path) -> None:
    expert.save(tmp_path / "e", made())
    split = read_table({**config, "split.cut": 3}, "split", SplitSettings)

    with pytest.raises(SettingsError) as refusal:
        expert.load(tmp_path / "e", structure(split, Task(10, Images(1, 28, 28), 0), 0, 128))

    for told in (
        "cut: expected 2, got 3",
        "channels: expected 3, got 1",
        "image-height: expected 32, got 28",
        "image-width: expected 32, got 28",
        "projection-hidden: expected 1024, got 0",
        "projection-dim: expected 1024, got 128",
    ):
        assert told in str(refusal.value)


def test_a_file_that_is_no_expert_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e"
    with pytest.raises(StoreError, match="expected a readable tensor file"):
        expert.load(path, None)
    tensor_file.write(path, {"front": torch.zeros(1)}, {})
    with pytest.raises(StoreError, match="expected an expert of format taressfl-1, got none"):
        expert.load(path, None)


@pytest.mark.parametrize("missing", ["front", "pictures", "online/back.weight"])
def test_an_expert_without_a_part_is_refused(tmp_path: Path, missing: str) -> None:
    sent, path = replace(made(), online={"back.weight": torch.ones(1)}), tmp_path / "e"
    expert.save(path, sent)
    tensors, text = tensor_file.read(path)
    del tensors[missing]
    tensor_file.write(path, tensors, text)

    part = missing.partition("/")[0]
    with pytest.raises(StoreError, match=f"expected an expert with '{part}'"):
        expert.load(path, None)


def test_surplus_tensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "e"
    expert.save(path, made())
    tensors, text = tensor_file.read(path)
    tensor_file.write(path, {**tensors, "stray": torch.zeros(1)}, text)

    with pytest.raises(StoreError, match="found also stray"):
        expert.load(path, None)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"width":64', '"width":"64"', "structure.width"),
        ('"seed":3', '"seed":null', "provenance.seed"),
        ('"threshold":0.02', '"limit":0.02', "verdict.threshold"),
        ("{", "", "Invalid JSON"),
    ],
)
def test_a_damaged_description_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "e"
    expert.save(path, made())
    tensors, text = tensor_file.read(path)
    assert old in text["description"]
    damaged = {**text, "description": text["description"].replace(old, new, 1)}
    tensor_file.write(path, tensors, damaged)

    with pytest.raises(StoreError, match=told):
        expert.load(path, None)
