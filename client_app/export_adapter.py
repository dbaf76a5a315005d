"""Take a personalised client away: ``python -m client_app.export_adapter --run NAME --out DIR``.

Writes the teacher of a client of FedDAT, half the shared adapter it last learnt from and
half its own, as one standard bottleneck adapter of twice the rank, with the client's head and
list of answers beside it. Run it on the device, whose private state it reads.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from client_app.devices.adapter_device import LocalAdapterDevice
from client_app.half import client_half
from client_app.node import read_node, state_folder
from client_app.store import ClientStore
from strategies.common import tensor_file
from strategies.common.adapters import export
from strategies.common.adapters.dual import merged
from strategies.common.errors import NectarError, StoreError
from strategies.common.settings import changed_config, read_changes, read_run
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.feddat.client import FedDATClient

_METHOD = "feddat"
ADAPTER, HEAD, ANSWERS = "adapter.safetensors", "head.safetensors", "answers.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Export, and return the exit status: 0, or 1 if nothing was written."""
    asked = _parser().parse_args(arguments)
    try:
        told = _export(asked)
    except NectarError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    sys.stdout.write(f"{told}\n")
    return 0


def _export(asked: argparse.Namespace) -> str:
    config = {**changed_config(asked.changes), "method": _METHOD}
    settings = read_run(config)
    node = read_node(read_changes(asked.node_config.split()))
    half = client_half(settings, config)
    assert isinstance(half, FedDATClient)  # noqa: S101 - by its name
    device = LocalAdapterDevice(half, node, settings, 0)
    place = state_folder(node, settings) / asked.run / str(node.partition_id)
    rounds = tensor_file.rounds_in(place)
    if not rounds:
        raise StoreError(
            f"{place}: expected the state of a client, found none; name the run with --run, and "
            f"the state-dir and partition-id of this device with --node-config"
        )
    stored = ClientStore(place).load(rounds[-1])
    state = half.start(device)
    load_tensors(state, stored.tensors)
    out: Path = asked.out
    out.mkdir(parents=True, exist_ok=True)
    adapter = merged(state.frozen, state.local)
    export.write(out / ADAPTER, adapter, device.backbone.sha256)
    head = {name: tensor for name, tensor in to_tensors(state).items() if name.startswith("head/")}
    tensor_file.write(out / HEAD, head, {"backbone": device.backbone.sha256})
    (out / ANSWERS).write_text(json.dumps(device.data.class_names, indent=1), encoding="utf-8")
    return (
        f"{out}: client {node.partition_id} after round {stored.round_number}, one adapter of rank "
        f"{adapter.shape.rank} at {len(adapter)} blocks, its head and {device.data.num_classes} "
        f"answers"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m client_app.export_adapter", description=__doc__
    )
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--node-config",
        default="partition-id=0 num-partitions=1",
        help="as given to flower-supernode (%(default)s)",
    )
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the run that differs from the defaults, as TOML; may be repeated",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
