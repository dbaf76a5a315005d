"""Take a personalised client away: ``python -m client_app.export_adapter --run NAME --out DIR``.

Writes the adapters that a client last trained, as its method says, with the client's head and
list of answers beside them: bottlenecks in a format of our own, low-rank updates as peft stores
them. Run it on the device, whose private state it reads.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from client_app.command import exit_status
from client_app.data import sources
from client_app.devices.adapter_device import LocalAdapterDevice
from client_app.half import client_half
from client_app.new_folder import free_place, whole
from client_app.node import read_node, read_words, state_folder
from client_app.store import ClientStore, Stored
from strategies import tables
from strategies.common import tensor_file
from strategies.common.adapters.halves import AdapterClientHalf
from strategies.common.errors import SettingsError, StoreError
from strategies.common.run_config import RunConfig, read_run
from strategies.common.settings_changes import changed_config, read_changes
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.common.typed_once import CommandLine

HEAD, ANSWERS = "head.safetensors", "answers.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Export, and return the exit status: 0, or 1 if nothing was written."""
    asked = _parser().parse_args(arguments)
    return exit_status(lambda: [_export(asked)])


def _export(asked: argparse.Namespace) -> str:
    place = free_place(asked.out)
    config = changed_config(asked.changes)
    node = read_node(read_words(asked.node_config))
    kept = state_folder(node, read_run(config)) / asked.run / str(node.partition_id)
    stored = _stored(kept)
    config["method"] = _method(kept, stored, read_changes(asked.changes))
    settings = read_run(config)
    sources.parse(node.data or settings.data).require_apart("--out", place)
    half = client_half(settings, config)
    if not isinstance(half, AdapterClientHalf):
        raise SettingsError(
            f"{kept}: expected the state of a method with adapters, got one of {settings.method}; "
            f"clients of other methods have no adapter to take away"
        )
    tables.check_read(read_changes(asked.changes), [config])
    device = LocalAdapterDevice(half, node, settings, 0)
    # The head was trained for the list in the state, whatever list the data give today.
    device.answers = stored.origin.classes
    state = half.start(device)
    try:
        load_tensors(state, stored.tensors)
    except StoreError as error:
        reason = " ".join(str(error).split())
        raise StoreError(
            f"{kept}: expected a state of {settings.method} with these settings, got: {reason}; "
            f"give with --set what the run was played with, e.g. adapters.rank"
        ) from None
    answers = stored.origin.classes or device.data.class_names
    exported = half.exported(state, device.task)
    sha256 = device.backbone.sha256
    head = {name: tensor for name, tensor in to_tensors(state).items() if name.startswith("head/")}
    with whole(place) as folder:
        exported.write(folder, sha256)
        tensor_file.write(folder / HEAD, head, {"backbone": sha256})
        (folder / ANSWERS).write_text(json.dumps(answers, indent=1), "utf-8")
    return (
        f"{asked.out}: client {node.partition_id} after round {stored.round_number}, "
        f"{exported.described}, its head and {len(answers)} answers"
    )


def _stored(place: Path) -> Stored:
    """Return the newest intact state of a client."""
    rounds = tensor_file.rounds_in(place)
    if not rounds:
        raise StoreError(
            f"{place}: expected the state of a client, found none; name the run with --run, and "
            f"the state-dir and partition-id of this device with --node-config"
        )
    stored = ClientStore(place).load(rounds[-1])
    if not stored.round_number:
        raise StoreError(f"{place}: expected an intact state, got: {'; '.join(stored.notes)}")
    return stored


def _method(place: Path, stored: Stored, changes: RunConfig) -> str:
    """Return the method of the run, as its state says or, where it does not, as was asked."""
    asked = str(changes.get("method", ""))
    if stored.method and asked and asked != stored.method:
        raise SettingsError(
            f"{place}: expected a run of {asked}, got one of {stored.method}; leave out "
            f"--set method, or name another run"
        )
    if not stored.method and not asked:
        raise SettingsError(
            f"{place}: expected a state that says its method, got none; add --set method=NAME"
        )
    return stored.method or asked


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(prog="python -m client_app.export_adapter", description=__doc__)
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
