"""Every architecture comes back from its files as it was, bit for bit."""

from pathlib import Path

import pytest
import torch
from torch import nn

from client_app.exporting import card, files
from client_app.exporting.opened import open_model
from client_app.exporting.taken import Taken
from models import catalogue
from strategies.common.class_table import ClassTable
from strategies.common.classifiers import DirectionClassifier, PrototypeClassifier
from strategies.common.errors import ModelError, SettingsError, StoreError
from strategies.common.inputs import Images, Inputs
from tests.client_app.exporting.small_exports import LARGE, described, inputs_of, trained

NAMES = [
    pytest.param(name, marks=pytest.mark.thorough) if name in LARGE else name
    for name in catalogue.MODELS
]


def written(out: Path, name: str, inputs: Inputs, network: nn.Module, **more: str) -> torch.Tensor:
    """Write a network's folder, and return the inputs that it was compared on."""
    taken = Taken(network.eval(), described(name, inputs, network, **more), None)  # type: ignore[arg-type]
    batch = inputs.example(4, torch.Generator().manual_seed(3))
    files.write(out, taken, files.SAFETENSORS, batch, more.get("place", ""))
    return batch


@pytest.mark.quick("cnn", "resnet4", "resnet10", "sensor_cnn", "sensor_gru")
@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_comes_back_bit_for_bit(tmp_path: Path, name: str) -> None:
    inputs = inputs_of(name)
    model = trained(name, inputs)
    batch = written(tmp_path / "out", name, inputs, model)
    with torch.no_grad():
        assert torch.equal(open_model(tmp_path / "out").network(batch), model(batch))


@pytest.mark.parametrize("kind", ["directions", "prototypes"])
def test_what_classifies_in_place_of_the_head_comes_along(tmp_path: Path, kind: str) -> None:
    inputs = Images(1, 8, 8)
    model = trained("cnn", inputs)
    noise = torch.Generator().manual_seed(4)
    network: nn.Module
    if kind == "directions":
        directions = torch.randn(3, 5, generator=noise)
        network = DirectionClassifier(model, nn.Linear(16, 5), directions)
    else:
        known = torch.tensor([True, False, True])
        table = ClassTable(torch.randn(3, 16, generator=noise), known)
        network = PrototypeClassifier.of(model, table)
    batch = written(tmp_path / "out", "cnn", inputs, network)
    opened = open_model(tmp_path / "out")
    assert opened.card.classifier == kind
    with torch.no_grad():
        assert torch.equal(opened.network(batch), network(batch))


OWN = """
from torch import nn

def net(inputs, num_classes):
    print("built", end="")
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs.height * inputs.width, {width}))
"""


def test_a_model_of_ones_own_is_built_where_it_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN.format(width=6))
    place, inputs = f"{file}:net", Images(1, 8, 8)
    model = trained(place, inputs, feature_dim=4)
    batch = written(tmp_path / "out", place, inputs, model, dim=4, place=place)  # type: ignore[arg-type]
    capsys.readouterr()
    with pytest.raises(ModelError, match=r"--model .*mine.py:net"):
        open_model(tmp_path / "out")
    assert "built" not in capsys.readouterr().out
    with torch.no_grad():
        assert torch.equal(open_model(tmp_path / "out", place).network(batch), model(batch))
    file.write_text(OWN.format(width=7).replace("nn.Flatten(),", "nn.Flatten(), nn.Identity(),"))
    with pytest.raises(ModelError, match="file changed since"):
        open_model(tmp_path / "out", place)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda out: (out / "model.json").unlink(), "expected an exported model with a file"),
        (lambda out: (out / "model.json").write_text("{"), "cannot be read"),
        (lambda out: (out / "model.json").write_text("[]"), "expected format 1, got None"),
        (lambda out: (out / "model.json").write_text('{"format": 1}'), "expected a whole card"),
        (lambda out: (out / "model.safetensors").write_bytes(b"x"), "cannot be read"),
        (lambda out: (out / "model.safetensors").unlink(), "cannot be read"),
        (
            lambda out: (out / "model.json").write_text(
                (out / "model.json").read_text().replace('"head"', '"prototypes"')
            ),
            "expected what a classifier 'prototypes' is made of",
        ),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, spoil: object, told: str) -> None:
    inputs = Images(1, 8, 8)
    written(tmp_path / "out", "cnn", inputs, trained("cnn", inputs))
    spoil(tmp_path / "out")  # type: ignore[operator]
    with pytest.raises(StoreError, match=told):
        open_model(tmp_path / "out")


def test_weights_of_another_export_are_refused(tmp_path: Path) -> None:
    inputs = Images(1, 8, 8)
    for out, name in (("one", "cnn"), ("other", "resnet4")):
        written(tmp_path / out, name, inputs, trained(name, inputs))
    (tmp_path / "other" / card.WEIGHTS).replace(tmp_path / "one" / card.WEIGHTS)
    with pytest.raises(StoreError, match="by their SHA-256, got others"):
        open_model(tmp_path / "one")


def test_a_file_that_gives_other_outputs_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = Images(1, 8, 8)
    model = trained("cnn", inputs)
    stand_in = {"onnx": ("model.onnx", "onnx_file", (), "onnx")}
    monkeypatch.setattr(files, "OTHERS", stand_in)
    away = [2e-4, 0.5e-4]

    def write(network: nn.Module, batch: torch.Tensor, path: Path) -> files.Runner:
        path.write_bytes(b"converted")
        # In units of the largest output, of at least 1.
        return lambda x: network(x) + away.pop(0) * max(1.0, float(network(x).abs().max()))

    monkeypatch.setattr("client_app.exporting.onnx_file.write", write)
    taken = Taken(model.eval(), described("cnn", inputs, model), None)  # type: ignore[arg-type]
    batch = inputs.example(4, torch.Generator().manual_seed(3))
    with pytest.raises(StoreError, match=r"to 0\.0001, got a difference of 0\.0002"):
        files.write(tmp_path / "out", taken, "onnx", batch, "")
    assert list(tmp_path.iterdir()) == []
    told = files.write(tmp_path / "out", taken, "onnx", batch, "")
    assert told == "model.onnx differs by 5.0e-05 at most on 4 samples"
    assert set(card.read(tmp_path / "out").files) == {card.WEIGHTS, "model.onnx"}


def test_a_converter_that_fails_is_told_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(network: nn.Module, batch: torch.Tensor, path: Path) -> files.Runner:
        path.write_bytes(b"half")
        raise RuntimeError("\nunknown operator\nand much more")

    monkeypatch.setattr("client_app.exporting.onnx_file.write", write)
    inputs = Images(1, 8, 8)
    model = trained("cnn", inputs)
    taken = Taken(model.eval(), described("cnn", inputs, model), None)  # type: ignore[arg-type]
    batch = inputs.example(2, torch.Generator().manual_seed(3))
    with pytest.raises(SettingsError, match="RuntimeError: unknown operator; use --format safe"):
        files.write(tmp_path / "out", taken, "onnx", batch, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", files.OTHERS)
def test_a_format_without_its_libraries_says_how_to_install_them(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=rf"pip install .*'\.\[{form}\]'"):
        files.require(form)
    files.require(files.SAFETENSORS)
