"""Files for ONNX Runtime, where it is installed: the extra ``onnx``, too large for the tests'."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from client_app.exporting import files, onnx_file
from client_app.exporting.taken import Taken
from models import catalogue
from strategies.common.classifiers import DirectionClassifier, PrototypeClassifier
from strategies.common.inputs import Images, Inputs
from strategies.common.split.networks import joined
from tests.client_app.exporting.small_exports import (
    LARGE,
    TASK,
    described,
    inputs_of,
    split,
    trained,
)

LACKING = [name for name in files.OTHERS["onnx"][2] if find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}"),
    # Of converters that are not ours.
    pytest.mark.filterwarnings("ignore"),
]
IMAGES = Images(1, 8, 8)


def compared(out: Path, name: str, inputs: Inputs, network: nn.Module) -> str:
    taken = Taken(network.eval(), described(name, inputs, network), None)  # type: ignore[arg-type]
    batch = inputs.example(5, torch.Generator().manual_seed(3))
    told = files.write(out, taken, "onnx", batch, "")
    assert (out / "model.onnx").stat().st_size
    return told


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.thorough) if n in LARGE else n for n in catalogue.MODELS],
)
def test_every_architecture_gives_its_outputs(tmp_path: Path, name: str) -> None:
    inputs = inputs_of(name)
    told = compared(tmp_path / "out", name, inputs, trained(name, inputs))
    assert told.endswith("at most on 5 samples")


def test_what_classifies_in_place_of_the_head_gives_its_outputs(tmp_path: Path) -> None:
    noise = torch.Generator().manual_seed(4)
    model = trained("cnn", IMAGES)
    directions = torch.randn(3, 5, generator=noise)
    compared(
        tmp_path / "one", "cnn", IMAGES, DirectionClassifier(model, nn.Linear(16, 5), directions)
    )
    prototypes = torch.randn(2, 16, generator=noise)
    near = PrototypeClassifier(model, prototypes, torch.tensor([0, 2]))
    compared(tmp_path / "other", "cnn", IMAGES, near)


def test_a_joined_network_gives_its_outputs(tmp_path: Path) -> None:
    network = joined.build(split(), TASK, classifies=True)
    batch = IMAGES.example(3, torch.Generator().manual_seed(3))
    with torch.no_grad():
        run = onnx_file.write(network.eval(), batch, tmp_path / "model.onnx")
        assert torch.allclose(run(batch), network(batch), atol=1e-4)
