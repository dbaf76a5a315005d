"""Files for ExecuTorch, where it is installed: the extra ``executorch``."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from client_app.exporting import executorch_file, files
from client_app.exporting.taken import Taken
from strategies.common.classifiers import DirectionClassifier, PrototypeClassifier
from strategies.common.inputs import Images, Windows
from strategies.common.split.networks import joined
from strategies.common.split.networks.layers import with_filters_applied
from tests.client_app.exporting.small_exports import SENSOR, TASK, described, split, trained

pytestmark = [
    pytest.mark.skipif(find_spec("executorch") is None, reason="not installed: executorch"),
    # Of converters that are not ours.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.mark.parametrize("name", ["cnn", "resnet4", "mobilenet_v2", "vit_tiny", *SENSOR])
def test_families_of_the_zoo_give_their_outputs(tmp_path: Path, name: str) -> None:
    inputs = Windows(2, 64) if name in SENSOR else Images(1, 8, 8)
    network = trained(name, inputs).eval()
    taken = Taken(network, described(name, inputs, network), None)  # type: ignore[arg-type]
    batch = inputs.example(3, torch.Generator().manual_seed(3))
    told = files.write(tmp_path / "out", taken, "executorch", batch, "")
    assert told.startswith("model.pte differs by ")
    assert told.endswith(" at most on 3 samples")


@pytest.mark.parametrize("kind", ["directions", "prototypes"])
def test_what_classifies_in_place_of_the_head_gives_its_outputs(tmp_path: Path, kind: str) -> None:
    inputs, noise = Images(1, 8, 8), torch.Generator().manual_seed(4)
    model = trained("cnn", inputs)
    network: nn.Module = DirectionClassifier(
        model, nn.Linear(16, 5), torch.randn(3, 5, generator=noise)
    )
    if kind == "prototypes":
        rows = torch.randn(2, 16, generator=noise)
        network = PrototypeClassifier(model, rows, torch.tensor([0, 2]))
    taken = Taken(network.eval(), described("cnn", inputs, network), None)  # type: ignore[arg-type]
    batch = inputs.example(3, torch.Generator().manual_seed(3))
    files.write(tmp_path / "out", taken, "executorch", batch, "")


def test_a_joined_network_gives_its_outputs(tmp_path: Path) -> None:
    network = joined.build(split(), TASK, classifies=True).eval()
    batch = Images(1, 8, 8).example(3, torch.Generator().manual_seed(3))
    with torch.no_grad():
        run = executorch_file.write(with_filters_applied(network), batch, tmp_path / "model.pte")
        assert torch.allclose(run(batch), network(batch), atol=1e-4)
