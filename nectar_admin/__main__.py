"""Command line: keys of a federation, its devices, and a watch over one device's connection."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nectar_admin.errors import AdminError, UnreachableError

if TYPE_CHECKING:
    from nectar_admin.control import Control
    from nectar_admin.key_folder import KeyFolder

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = """\
examples:
  # on the server, or wherever the CA's key is to stay
  python -m nectar_admin keys server keys --name cloud.example.org --name 203.0.113.7
  python -m nectar_admin keys node keys pi-0 pi-1
  python -m nectar_admin keys show keys

  # the server's certificate again, for 90 days more and the same names
  python -m nectar_admin keys server keys

  # on the server: who may come in, who is there, and who may come no more
  python -m nectar_admin devices add keys pi-0 pi-1 --wait 60
  python -m nectar_admin devices list keys --runs-dir /srv/nectar/runs
  python -m nectar_admin devices remove keys pi-1

  # on a device
  python -m nectar_admin watch -- flower-supernode --superlink cloud.example.org:8443 ...
"""
_KEYS_FOLDER = "folder with the keys"


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    # What a watched command is given is for nobody else to read.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    own, command = arguments[:end], arguments[end + 1 :]
    parser = _parser()
    options, behind = parser.parse_known_args(own)
    # Names that may be none are not looked for behind an option.
    if behind and (getattr(options, "names", None) != [] or behind[0].startswith("-")):
        parser.error(f"unrecognized arguments: {' '.join(behind)}")
    if behind:
        options.names = behind
    options.command = command
    try:
        status: int = options.run(options)
    except (AdminError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m nectar_admin",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_keys(commands)
    _add_devices(commands)
    _add_watch(commands)
    return parser


def _add_keys(commands: "Commands") -> None:
    keys = commands.add_parser("keys", help="make certificates, keys and secrets; show them")
    actions = keys.add_subparsers(required=True, metavar="ACTION")

    server = actions.add_parser(
        "server",
        help="make or renew the server's certificate, and a CA if there is none",
        description="Make what is missing of CA and secret, and the server's key and certificate "
        "anew: this also renews it. Restart the SuperLink and reload the proxy after that.",
    )
    server.add_argument("folder", type=Path, metavar="FOLDER", help=_KEYS_FOLDER)
    server.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="HOST",
        help="name or address by which devices reach the server; may be repeated. None: the names "
        "of the certificate that is there. Those by which the server's own parts reach it, such "
        "as localhost, are added",
    )
    server.add_argument("--days", type=int, default=90, help="how long it is valid (90)")
    server.set_defaults(run=_keys_server)

    node = actions.add_parser(
        "node",
        help="make the keys of devices; those that are there are kept",
        description="Make FOLDER/nodes/NAME for each device: all that it needs, and nothing else.",
    )
    node.add_argument("folder", type=Path, metavar="FOLDER", help=_KEYS_FOLDER)
    node.add_argument("names", nargs="+", metavar="NAME", help="name of a device, e.g. pi-0")
    node.set_defaults(run=_keys_node)

    show = actions.add_parser("show", help="show names, days left and fingerprints")
    show.add_argument("folder", type=Path, metavar="FOLDER", help=_KEYS_FOLDER)
    show.set_defaults(run=_keys_show)


def _add_devices(commands: "Commands") -> None:
    devices = commands.add_parser("devices", help="let devices in, list and remove them")
    actions = devices.add_subparsers(required=True, metavar="ACTION")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("folder", type=Path, metavar="FOLDER", help=_KEYS_FOLDER)
    shared.add_argument(
        "--superlink",
        default="127.0.0.1:8000",
        metavar="HOST:PORT",
        help="address of the SuperLink itself, not of the proxy (127.0.0.1:8000)",
    )
    shared.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="certificate of the CA that signed the SuperLink's (FOLDER/ca.crt)",
    )
    shared.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="wait so long for a SuperLink that is not there yet",
    )

    add = actions.add_parser(
        "add",
        parents=[shared],
        help="let devices in, by their public keys",
        description="Register public keys at the SuperLink. Devices that are in already are let "
        "be. The number of a device's node is kept in FOLDER/nodes/NAME/node.id.",
    )
    add.add_argument(
        "names", nargs="*", metavar="NAME", help="devices; none: all of FOLDER but those removed"
    )
    add.set_defaults(run=_devices_add)

    table = actions.add_parser("list", parents=[shared], help="show who is in, and who is there")
    table.add_argument(
        "--runs-dir",
        type=Path,
        metavar="DIR",
        help="the server's runs-dir, or one run: show clients, their last rounds and failures in "
        "the run that was written to last",
    )
    table.add_argument("--json", action="store_true", help="print it as JSON")
    table.set_defaults(run=_devices_list)

    remove = actions.add_parser(
        "remove",
        parents=[shared],
        help="let devices in no more",
        description="Unregister devices. They are off within seconds, and their keys are void for "
        "ever; a device comes back with a new key under a new name.",
    )
    remove.add_argument("names", nargs="+", metavar="NAME", help="devices")
    remove.set_defaults(run=_devices_remove)


def _add_watch(commands: "Commands") -> None:
    watch = commands.add_parser(
        "watch",
        usage="python -m nectar_admin watch [-h] [--port PORT] [--patience SECONDS] -- COMMAND ...",
        help="run a SuperNode, and end it once it has lost its server without noticing",
        description="Run a SuperNode, pass signals on, and exit as it exits. End it when it has "
        "had no connection to its server's port for the patience, so that its supervisor starts "
        "it again (with Restart=always; KillMode=mixed, so that each signal comes once).",
    )
    watch.add_argument(
        "--port",
        type=int,
        help="port of the server at the other end of the connection (that of the command's "
        "--superlink)",
    )
    watch.add_argument(
        "--patience", type=float, default=600.0, metavar="SECONDS", help="how long (600)"
    )
    watch.set_defaults(run=_watch)


def _keys(options: argparse.Namespace) -> "KeyFolder":
    from nectar_admin.key_folder import KeyFolder  # noqa: PLC0415 - watch does without cryptography

    return KeyFolder(options.folder)


def _keys_server(options: argparse.Namespace) -> int:
    from nectar_admin.authority import names_of  # noqa: PLC0415

    keys = _keys(options)
    made = keys.make_server(options.name, options.days, datetime.now(UTC))
    _say(
        f"{keys.server}: certificate for {', '.join(names_of(made))}, valid until "
        f"{made.not_valid_after_utc:%Y-%m-%d}; restart the SuperLink and reload the proxy if they "
        f"use the one before"
    )
    return 0


def _keys_node(options: argparse.Namespace) -> int:
    keys = _keys(options)
    for name in options.names:
        is_new = keys.make_device(name, datetime.now(UTC))
        _say(f"{keys.path / 'nodes' / name}: {'a new key' if is_new else 'its key is kept'}")
    return 0


def _keys_show(options: argparse.Namespace) -> int:
    from nectar_admin.key_listing import listing  # noqa: PLC0415

    for line in listing(_keys(options), datetime.now(UTC)):
        _say(line)
    return 0


@contextmanager
def _control(options: argparse.Namespace) -> "Iterator[Control]":
    """Yield the Control API of a SuperLink that answers."""
    from rich.console import Console  # noqa: PLC0415

    from nectar_admin import devices  # noqa: PLC0415
    from nectar_admin.control import Control  # noqa: PLC0415

    authority = options.ca or _keys(options).authority_certificate
    with Control(options.superlink, authority) as control:
        try:
            control.nodes()
        except UnreachableError:
            if not options.wait > 0:
                raise
            console = Console(stderr=True)
            waiting = f"waiting for the SuperLink at {options.superlink}, up to {options.wait:g} s"
            if not console.is_terminal:
                console.print(waiting, soft_wrap=True)
            with console.status(waiting) as shown:
                devices.wait_for(
                    control, options.wait, lambda s: shown.update(f"{waiting} ({s:.0f} s)")
                )
        yield control


def _devices_add(options: argparse.Namespace) -> int:
    from nectar_admin import devices  # noqa: PLC0415

    keys = _keys(options)
    chosen = [keys.device(name) for name in options.names]
    chosen = chosen or [device for device in keys.devices() if not device.removed.exists()]
    if not chosen:
        raise AdminError(
            f"{keys.path / 'nodes'}: expected devices to let in, found none; make their keys by: "
            f"keys node {keys.path} NAME"
        )
    with _control(options) as control:
        for device in chosen:
            _say(devices.add(device, control))
    return 0


def _devices_list(options: argparse.Namespace) -> int:
    from nectar_admin import device_table, devices  # noqa: PLC0415
    from nectar_admin.run_journal import newest_run  # noqa: PLC0415

    run = newest_run(options.runs_dir) if options.runs_dir else None
    if options.runs_dir and run is None:
        sys.stderr.write(f"note: {options.runs_dir} holds no run yet\n")
    if run is not None and not run.clients:
        sys.stderr.write(f"note: run {run.name} does not tell which node was which client\n")
    with _control(options) as control:
        told = list(devices.listed(_keys(options).devices(), control.nodes(), run))
    if options.json:
        _say(device_table.as_json(told))
    else:
        device_table.show(told, run, datetime.now(UTC))
    return 0


def _devices_remove(options: argparse.Namespace) -> int:
    from nectar_admin import devices  # noqa: PLC0415

    chosen = [_keys(options).device(name) for name in options.names]
    with _control(options) as control:
        for device in chosen:
            _say(devices.remove(device, control))
    return 0


def _watch(options: argparse.Namespace) -> int:
    from nectar_admin.watch import watch  # noqa: PLC0415

    return watch(options.command, options.port, options.patience)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
