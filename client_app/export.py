"""Take a client's trained model away: ``python -m client_app.export STATE --out FOLDER``.

Writes ``model.safetensors`` and ``model.json``, which says all that is needed to use it, and on
demand a file for ONNX Runtime or ExecuTorch. What is written classifies as the client was tested,
and gives the client's outputs on its own samples, or nothing is written. Run it on the device,
whose private state it reads; where the server holds a part of what classifies (FedProto's
prototypes, the rest of a split network), beside a copy of the run's folder there.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from client_app.command import exit_status
from client_app.data import sources
from client_app.exporting import card, files
from client_app.exporting.found import find
from client_app.exporting.taken import Taken, take
from client_app.new_folder import free_or_ours
from client_app.store import client_folder
from strategies.common.home import expanded
from strategies.common.typed_once import CommandLine


def main(arguments: Sequence[str] | None = None) -> int:
    """Export, and return the exit status: 0, or 1 if nothing was written.

    Parameters
    ----------
    arguments : Sequence[str] | None
        The command line; ``None`` takes the process's own.
    """
    asked = _parser().parse_args(arguments)
    return exit_status(lambda: _export(asked))


def _export(asked: argparse.Namespace) -> Iterator[str]:
    out: Path = asked.out
    ours = card.is_export(expanded(out, "--out "))
    place = free_or_ours(out, ours=ours, replace=asked.replace)
    files.require(asked.format)
    folder = find(asked.state, asked.partition)
    # <state-dir>/<run-name>/<partition>
    state_dir = client_folder(folder).parents[1]
    taken = take(folder, server=asked.server, data=asked.data, state_dir=state_dir)
    device = taken.device
    sources.parse(device.node.data or device.settings.data).require_apart("--out", place)
    needed = bool(asked.data) or asked.format != files.SAFETENSORS
    inputs = files.samples(taken, needed=needed)
    named = taken.card.architecture
    own_model = named.built_by if named.own else ""
    compared = files.write(place, taken, asked.format, inputs, own_model, replace=ours)
    yield f"{out}: {_told(taken)}"
    yield from (f"note: {note}" for note in taken.card.notes)
    if compared:
        yield compared
    if named.own:
        yield f"its network is built by {named.built_by}, which has to come along"


def _told(taken: Taken) -> str:
    made, what = taken.card, taken.card.measured
    parameters = sum(p.numel() for p in taken.network.parameters())
    which = f"client {made.client} of {made.run} after round {made.round} of {made.method}"
    network = f"{made.architecture.name}, {parameters:,} parameters"
    if made.outputs == card.FEATURES:
        return f"{which}, {network}; gives features, the method learns no classes"
    known = "accuracy not known"
    if what.accuracy is not None:
        known = f"accuracy {what.accuracy:.4f} on {what.test_samples} samples ({what.said_by})"
    return f"{which}, {network}; classifies by {made.classified_by}; {known}"


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(prog="python -m client_app.export", description=__doc__)
    parser.add_argument(
        "state", type=Path, metavar="STATE", help="<state-dir>/<run-name> on this device"
    )
    parser.add_argument(
        "--partition", type=int, metavar="N", help="which client, where several are there"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="to write")
    parser.add_argument(
        "--format", choices=files.FORMATS, default=files.SAFETENSORS, help="(%(default)s)"
    )
    parser.add_argument(
        "--data",
        default="",
        metavar="SPEC",
        help="samples to compare outputs on, e.g. folder:/data/images; otherwise the run's",
    )
    parser.add_argument(
        "--server",
        type=Path,
        metavar="RUN_FOLDER",
        help="<runs-dir>/<run-name> of the server, or a copy",
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace what this command wrote there before"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
