"""Files of windows: what is read, how it is resampled, and what is refused."""

import io
import re
import warnings
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib import format as npy

from client_app import predict
from client_app.exporting import files, window_files
from client_app.exporting.opened import open_model
from client_app.exporting.taken import Taken
from strategies.common.channel_scale import ChannelScale, Normalised
from strategies.common.classifiers import PrototypeClassifier, convertible
from strategies.common.errors import StoreError
from strategies.common.inputs import Windows
from tests.client_app.exporting.small_exports import described, trained

WHAT = Windows(2, 4)
ONE = np.arange(8, dtype=np.float64).reshape(2, 4)


def saved(folder: Path, array: object) -> Path:
    path = folder / "own.npy"
    np.save(path, array)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    "array", [ONE, ONE[None], ONE[None, :, None], ONE.astype(">i2"), ONE.astype(np.float16)]
)
def test_one_window_is_read_in_every_form(tmp_path: Path, array: object) -> None:
    found = window_files.read(saved(tmp_path, array), WHAT, 0)
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.float32
    assert found.tolist() == ONE[None].tolist()


def test_windows_are_resampled_as_the_clients_were(tmp_path: Path) -> None:
    found = window_files.read(saved(tmp_path, ONE), Windows(2, 2), 2)
    assert isinstance(found, torch.Tensor)
    assert found.tolist() == [[[0.5, 2.5], [4.5, 6.5]]]


@pytest.mark.parametrize(
    ("array", "length", "told"),
    [
        (ONE[:, :3], 0, r"expected windows of 2 x 4 .*got \(2, 3\): .*trained without window-len"),
        (ONE[:1], 0, r"got \(1, 4\)$"),
        (ONE[:1], 4, r"expected windows of 2 channels \(channels, steps\), got \(1, 4\)"),
        (ONE[0], 4, r"expected windows of 2 channels"),
        (ONE[:, :0], 4, r"expected windows of 2 channels"),
        (ONE[None][:0], 0, "of at least one window"),
        (np.full((2, 4), np.nan), 0, "expected finite numbers"),
        (np.full((2, 4), 1e300), 0, "expected finite numbers"),
        (np.array([["a"]]), 0, "expected an array of numbers, got <U1"),
        (
            np.array([{"x": 1}]),
            0,
            "expected a NumPy array of numbers, got ValueError: Object arrays",
        ),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, array: object, length: int, told: str) -> None:
    found = window_files.read(saved(tmp_path, array), WHAT, length)
    assert isinstance(found, str)
    assert re.search(told, found), found


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    several = io.BytesIO()
    np.savez(several, a=ONE)
    for content in (b"", b"no array", several.getvalue()):
        (tmp_path / "own.npy").write_bytes(content)
        assert "expected a" in str(window_files.read(tmp_path / "own.npy", WHAT, 0))


@pytest.mark.parametrize("shape", [(10**30,), (3, 10**9, 10**9), (-1, 4)])
def test_a_header_that_claims_too_much_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
    (tmp_path / "own.npy").write_bytes(stream.getvalue() + bytes(64))
    assert "expected a NumPy array" in str(window_files.read(tmp_path / "own.npy", WHAT, 0))


@given(st.data())
def test_damaged_files_are_refused_or_read(data: st.DataObject) -> None:
    stream = io.BytesIO()
    np.save(stream, ONE)
    content = bytearray(stream.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, of what it makes of such a header
        path = Path(folder) / "own.npy"
        path.write_bytes(data.draw(st.sampled_from([b"", b"PK\3\4"])) + bytes(content[:cut]))
        found = window_files.read(path, WHAT, 0)
    assert isinstance(found, str) or found.shape[1:] == WHAT.shape


def exported(folder: Path) -> Path:
    """Return the folder of a model that normalises three windows by its own scale."""
    inputs = Windows(2, 32)
    model = trained("sensor_cnn1", inputs)
    scale = ChannelScale(torch.tensor([1.0, 500.0]), torch.tensor([2.0, 100.0]))
    network = Normalised(scale, model).eval()
    card = described("sensor_cnn1", inputs, model)
    card = replace(card, normalises=True)
    batch = inputs.example(4, torch.Generator().manual_seed(3))
    files.write(folder, Taken(network, card, None), files.SAFETENSORS, batch, "")  # type: ignore[arg-type]
    return folder


def test_a_file_of_several_windows_has_a_line_for_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = exported(tmp_path / "model")
    windows = torch.randn(70, 2, 32, generator=torch.Generator().manual_seed(1)) * 100
    np.save(tmp_path / "many.npy", windows.numpy())
    np.save(tmp_path / "one.npy", windows[0].numpy())
    (tmp_path / "notes.txt").write_text("no window")
    names = [str(tmp_path / name) for name in ("many.npy", "one.npy")]
    assert predict.main([str(model), *names]) == 0
    told = capsys.readouterr()
    with torch.no_grad():
        found = open_model(model).network(windows).argmax(1).tolist()
    lines = [line.split("  ")[:2] for line in told.out.splitlines()]
    expected = [[f"{names[0]}[{place}]", "abc"[label]] for place, label in enumerate(found)]
    assert lines == [*expected, [names[1], "abc"[found[0]]]]
    assert told.err == "2 files of windows\n"


def test_windows_that_a_model_makes_no_numbers_of_are_refused_by_their_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = exported(tmp_path / "model")
    windows = torch.randn(3, 2, 32, generator=torch.Generator().manual_seed(1))
    windows[1] *= 1e38
    np.save(tmp_path / "some.npy", windows.numpy())
    assert predict.main([str(model), str(tmp_path / "some.npy")]) == 1
    told = capsys.readouterr()
    assert [line.split("  ")[0][-3:] for line in told.out.splitlines()] == ["[0]", "[2]"]
    assert f"{tmp_path / 'some.npy'}[1]: the model's scores are no finite numbers" in told.err
    assert told.err.endswith("1 files of windows, 1 refused\n")


def test_a_card_that_normalises_no_windows_is_refused(tmp_path: Path) -> None:
    model = exported(tmp_path / "model")
    text = (model / "model.json").read_text()
    (model / "model.json").write_text(text.replace('"normalises": true', '"normalises": 3'))
    with pytest.raises(StoreError, match="expected a whole card"):
        open_model(model)
    images = text.replace('"kind": "windows"', '"kind": "images"').replace(
        '"channels": 2', '"channels": 2,\n "height": 4'
    )
    (model / "model.json").write_text(images)
    with pytest.raises(StoreError, match="normalises: expected false for images"):
        open_model(model)


def test_a_scale_stays_before_what_converters_can_read() -> None:
    model = trained("sensor_cnn1", Windows(2, 32))
    near = PrototypeClassifier(model, torch.ones(1, 16), torch.tensor([0]))
    scale = ChannelScale(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    whole = Normalised(scale, near).eval()
    plain = convertible(whole)
    assert plain is not whole
    batch = Windows(2, 32).example(3, torch.Generator().manual_seed(3))
    with torch.no_grad():
        torch.testing.assert_close(plain(batch), whole(batch))
