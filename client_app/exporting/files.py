"""The files of an exported model, each held against what it was made from before it counts."""

import dataclasses
import hashlib
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import safetensors.torch
import torch
from torch import Tensor, nn

from client_app.exporting import opened
from client_app.exporting.card import CARD, WEIGHTS, ModelCard
from client_app.exporting.taken import Taken
from client_app.new_folder import whole
from strategies.common import seeds
from strategies.common.classifiers import convertible
from strategies.common.errors import DataError, NectarError, SettingsError, StoreError
from strategies.common.samples import prepare
from strategies.common.split.networks.layers import with_filters_applied

SAFETENSORS: Final = "safetensors"
# By name: file, module here that writes and runs it, libraries, and the extra that brings them.
OTHERS: Final = {
    "onnx": ("model.onnx", "onnx_file", ("onnx", "onnxruntime", "onnxscript"), "onnx"),
    "executorch": ("model.pte", "executorch_file", ("executorch",), "executorch"),
}
FORMATS: Final = (SAFETENSORS, *OTHERS)
TOLERANCE: Final = 1e-4
_SAMPLES: Final = 64
_EXACT: Final = 0.0

# Writes a network for a batch of examples, and returns what runs the file.
Runner = Callable[[Tensor], Tensor]


def require(form: str) -> None:
    """Refuse a format whose libraries are not installed, before any work is done.

    Raises
    ------
    SettingsError
        With how to install them.
    """
    if form == SAFETENSORS:
        return
    _, _, libraries, extra = OTHERS[form]
    if missing := [name for name in libraries if find_spec(name) is None]:
        raise SettingsError(
            f"--format {form}: needs {', '.join(missing)}, which is not installed; run "
            f".venv/bin/pip install --constraint constraints.txt '.[{extra}]' in the checkout"
        )


def samples(taken: Taken, *, needed: bool) -> Tensor:
    """Return prepared inputs to compare outputs on: the client's own, or noise in their place.

    Parameters
    ----------
    taken : Taken
        The model and its client.
    needed : bool
        Whether only the client's own will do.

    Raises
    ------
    NectarError
        If they are needed and cannot be had, or are none that the model reads.
    """
    wanted = taken.card.what
    try:
        found, got = taken.test.inputs[:_SAMPLES], taken.device.data.inputs
    except NectarError as error:
        if needed:
            raise type(error)(
                f"{error}; to compare outputs on samples of this device, name them with --data"
            ) from None
    else:
        if got == wanted:
            return prepare(found)
        if needed:
            raise DataError(
                f"--data: expected {wanted} as the model reads, got {got}; name other samples"
            )
    return wanted.example(_SAMPLES, seeds.generator(0, "export"))


def write(
    place: Path, taken: Taken, form: str, inputs: Tensor, own_model: str, *, replace: bool = False
) -> str:
    """Write the folder, compare every file with the model on some inputs, and say how it went.

    Parameters
    ----------
    place : Path
        The folder.
    taken : Taken
        The model.
    form : str
        One of ``FORMATS``; the first is always written.
    inputs : Tensor
        Prepared, (samples, ...).
    own_model : str
        What builds a user's own model here; empty for the zoo's.
    replace : bool
        Whether a folder with files in it that stands there gives way.

    Raises
    ------
    NectarError
        If it cannot be written, or a file gives other outputs: then nothing is left.
    """
    told = ""
    with whole(place, replace=replace) as folder, torch.no_grad():
        expected = taken.network(inputs)
        tensors = {n: t.detach().cpu().contiguous() for n, t in taken.network.state_dict().items()}
        safetensors.torch.save_file(tensors, folder / WEIGHTS)
        # Written twice: the card is read back with the weights before other files are named.
        card = _write_card(folder, taken.card, [WEIGHTS])
        again = opened.open_model(folder, own_model)
        _require_equal(WEIGHTS, expected, again.network(inputs), _EXACT)
        if form != SAFETENSORS:
            name, module = OTHERS[form][:2]
            write_file = import_module(f"client_app.exporting.{module}").write
            network = with_filters_applied(convertible(taken.network)).eval()
            run = _written(form, write_file, network, inputs, folder / name)
            away = _require_equal(name, expected, run(inputs), TOLERANCE)
            told = f"{name} differs by {away:.1e} at most on {len(inputs)} samples"
            _write_card(folder, card, [WEIGHTS, name])
        _let_others_read(folder)
    return told


def _written(
    form: str,
    write_file: Callable[[nn.Module, Tensor, Path], Runner],
    network: nn.Module,
    inputs: Tensor,
    path: Path,
) -> Runner:
    try:
        return write_file(network, inputs, path)
    except NectarError:
        raise
    except Exception as error:  # whatever a converter raises for what it does not know
        first = next((line for line in str(error).splitlines() if line.strip()), "")
        raise SettingsError(
            f"--format {form}: cannot write this network: {type(error).__name__}: {first}; use "
            f"--format {SAFETENSORS}"
        ) from error


def _write_card(folder: Path, card: ModelCard, names: list[str]) -> ModelCard:
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    written = dataclasses.replace(card, files=digests)
    (folder / CARD).write_text(written.to_text(), "utf-8")
    return written


def _require_equal(name: str, expected: Tensor, found: Tensor, tolerance: float) -> float:
    """Refuse outputs that differ, and return by how much they do, in units of the largest."""
    if found.shape != expected.shape:
        raise StoreError(
            f"{name}: expected outputs {tuple(expected.shape)}, got {tuple(found.shape)}; nothing "
            f"was written"
        )
    unit = max(1.0, float(expected.abs().max()))
    away = float((found - expected).abs().max()) / unit
    if not away <= tolerance:
        raise StoreError(
            f"{name}: expected the outputs of the model to {tolerance:g}, got a difference of "
            f"{away:.3g} (outputs up to {unit:.3g}); nothing was written"
        )
    return away


def _let_others_read(folder: Path) -> None:
    """Give all files the rights of one that was simply written: safetensors keeps its own."""
    rights = (folder / CARD).stat().st_mode
    for path in folder.iterdir():
        path.chmod(rights)
