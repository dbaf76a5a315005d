"""Whether exported models give the outputs of those that were trained, on real samples.

Every architecture of the zoo and every method's clients (``benchmarks.exported_clients``) learn a
few real samples and leave as ``client_app.export`` writes them; what was written is then read back
by what would use it: safetensors and JSON by ``open_model``, ONNX by ONNX Runtime, one sample and
all others at once, ExecuTorch by its runtime, one sample at a time. Adapters
(``benchmarks.exported_adapters``) leave in formats of their own.

Shown are the largest difference of outputs, in units of the largest output (of at least 1), that
of scores (their softmax), and how many samples get the same class. It exits with 1 if a file was
refused, a difference is beyond 1e-4, a class is another, or the accuracy of what left is not what
the client was measured by.

Run with ``python -m benchmarks.export_parity [--data SPEC[@SIDE] ...] [--formats FORMAT ...]``.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, final

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks import exported_adapters
from benchmarks.exported_clients import Client, plays
from client_app.exporting import card, files
from client_app.exporting.opened import open_model
from strategies.common.errors import NectarError
from strategies.common.samples import prepare

_TOLERANCE: Final = 1e-4
_ADAPTERS: Final = "adapters"


@final
@dataclass(frozen=True)
class Row:
    """One file of one client.

    Attributes
    ----------
    name, form : str
        Whose, in which format.
    outputs, scores : float
        Largest differences, as the module's head has them; scores of features are 0.
    same, count : int
        Samples with the same class, and all.
    reason : str
        Why it is wrong, where that is not told by the numbers.
    """

    name: str
    form: str
    outputs: float = float("nan")
    scores: float = float("nan")
    same: int = 0
    count: int = 0
    reason: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it gives what the trained model gives."""
        near = self.outputs <= _TOLERANCE and self.scores <= _TOLERANCE
        return near and self.same == self.count and not self.reason


def compared(name: str, form: str, expected: Tensor, found: Tensor, *, classes: bool = True) -> Row:
    """Compare outputs (samples, outputs) of a trained model with those of what left."""
    if found.shape != expected.shape:
        return Row(name, form, reason=f"outputs {tuple(found.shape)} for {tuple(expected.shape)}")
    outputs = float((found - expected).abs().max()) / max(1.0, float(expected.abs().max()))
    scores = float((found.softmax(1) - expected.softmax(1)).abs().max()) if classes else 0.0
    same = int((found.argmax(1) == expected.argmax(1)).sum()) if classes else len(expected)
    return Row(name, form, outputs, scores, same, len(expected))


def main() -> int:
    """Play, export, compare and print; return the exit status."""
    asked = _parser().parse_args()
    console = Console()
    forms = [form for form in asked.formats if _is_there(form, console)]
    console.print(f"torch {torch.__version__}")
    table = Table("client", "format", "outputs", "scores", "same class", "")
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        for row in rows(Path(temporary), asked.data, forms, asked.only):
            good = good and row.is_good
            words = (f"{row.outputs:.1e}", f"{row.scores:.1e}", f"{row.same} of {row.count}")
            verdict = "ok" if row.is_good else f"WRONG {row.reason}"
            table.add_row(row.name, row.form, *words, verdict)
            # A row may take a minute.
            console.print(f"{row.name}, {row.form}: {verdict}", soft_wrap=True, markup=False)
    console.print(table)
    return int(not good)


def rows(folder: Path, specs: list[str], forms: list[str], only: list[str]) -> Iterator[Row]:
    """Play each federation and compare each file of each of its clients."""
    for number, play in enumerate(plays(specs, folder)):
        if only and not any(word in play.name for word in only):
            continue
        for client in play.clients_of(folder / f"{number}"):
            for form in forms:
                yield _exported(client, form, folder / f"{number}" / "out")
    if not only or _ADAPTERS in only:
        for name, expected, found in exported_adapters.answers(folder / _ADAPTERS):
            yield compared(name, _ADAPTERS, expected, found)


def read_outputs(folder: Path, form: str, inputs: Tensor, own_model: str = "") -> Tensor:
    """Return what an exported model makes of prepared inputs, by what would use it."""
    if form == files.SAFETENSORS:
        found: Tensor = open_model(folder, own_model).network(inputs)
        return found
    path = folder / files.OTHERS[form][0]
    if form == "onnx":
        import onnxruntime  # noqa: PLC0415 - an extra

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        parts = [session.run(None, {"inputs": part.numpy()})[0] for part in _one_and_others(inputs)]
        return torch.cat([torch.from_numpy(part) for part in parts])
    from executorch.runtime import Runtime  # noqa: PLC0415 - an extra

    method = Runtime.get().load_program(path).load_method("forward")
    return torch.cat([method.execute([one.clone()])[0] for one in torch.split(inputs, 1)])


@torch.no_grad()
def _exported(client: Client, form: str, place: Path) -> Row:
    made, test = client.taken.card, client.taken.test
    inputs = prepare(test.inputs)
    try:
        files.write(place, client.taken, form, inputs, client.own_model, replace=True)
        found = read_outputs(place, form, inputs, client.own_model)
    except NectarError as error:
        return Row(client.name, form, reason=str(error))
    expected = client.taken.network(inputs)
    classes = made.outputs == card.SCORES
    row = compared(client.name, form, expected, found, classes=classes)
    accuracy = float((found.argmax(1) == test.labels).float().mean())
    measured = made.measured.accuracy
    if classes and measured is not None and abs(accuracy - measured) > _TOLERANCE:
        told = f"accuracy {accuracy:.4f}, and the client was measured by {measured:.4f}"
        return Row(row.name, form, row.outputs, row.scores, row.same, row.count, told)
    return row


def _one_and_others(inputs: Tensor) -> tuple[Tensor, Tensor]:
    return inputs[:1], inputs[1:]


def _is_there(form: str, console: Console) -> bool:
    libraries = () if form == files.SAFETENSORS else files.OTHERS[form][2]
    missing = [name for name in libraries if find_spec(name) is None]
    if missing:
        console.print(f"{form}: left out, since there is no {', '.join(missing)} here")
    return not missing


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.export_parity",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "--data",
        nargs="+",
        default=["digits"],
        metavar="SPEC[@SIDE]",
        help="sources of images and windows, resized to SIDE pixels (digits)",
    )
    parser.add_argument("--formats", nargs="+", default=files.FORMATS, choices=files.FORMATS)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="federations named so, or adapters"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
