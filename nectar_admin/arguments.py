"""The words of the command line, and what they mean."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nectar_admin.typed_once import CommandLine

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[CommandLine]

_ABOUT = "Keys of a federation, its devices, and what is wrong with one or the other."
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

  # what is wrong with a device, or with the server, and what to do
  python -m nectar_admin doctor device
  python -m nectar_admin doctor server --proxy cloud.example.org:8443

  # on a device
  python -m nectar_admin watch -- flower-supernode --superlink cloud.example.org:8443 ...
"""
_KEYS_FOLDER = "folder with the keys"
_STATUS = "Exit status: 0 without a fault, 1 with one, 2 where the command itself is wrong."


def read(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of one command, with its name as ``action``.

    What stands behind ``--`` is ``command``: it is for another program to read.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    parser = _parser()
    options, behind = parser.parse_known_args(arguments[:end])
    # Names that may be none are not looked for behind an option.
    if behind and (getattr(options, "names", None) != [] or behind[0].startswith("-")):
        parser.error(f"unrecognized arguments: {' '.join(behind)}")
    if behind:
        options.names = behind
    options.command = arguments[end + 1 :]
    return options


def _place(text: str) -> Path:
    """Return a folder or file, of which a ``~`` that no shell has seen is the user's home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise argparse.ArgumentTypeError(
            f"{text}: expected a path, and there is no such user"
        ) from None


def _parser() -> CommandLine:
    parser = CommandLine(
        prog="python -m nectar_admin",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_keys(commands)
    _add_devices(commands)
    _add_watch(commands)
    _add_doctor(commands)
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
    server.add_argument("folder", type=_place, metavar="FOLDER", help=_KEYS_FOLDER)
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
    server.set_defaults(action="keys server")

    node = actions.add_parser(
        "node",
        help="make the keys of devices; those that are there are kept",
        description="Make FOLDER/nodes/NAME for each device: all that it needs, and nothing else.",
    )
    node.add_argument("folder", type=_place, metavar="FOLDER", help=_KEYS_FOLDER)
    node.add_argument("names", nargs="+", metavar="NAME", help="name of a device, e.g. pi-0")
    node.set_defaults(action="keys node")

    show = actions.add_parser("show", help="show names, days left and fingerprints")
    show.add_argument("folder", type=_place, metavar="FOLDER", help=_KEYS_FOLDER)
    show.set_defaults(action="keys show")


def _add_devices(commands: "Commands") -> None:
    devices = commands.add_parser("devices", help="let devices in, list and remove them")
    actions = devices.add_subparsers(required=True, metavar="ACTION")
    shared = CommandLine(add_help=False)
    shared.add_argument("folder", type=_place, metavar="FOLDER", help=_KEYS_FOLDER)
    shared.add_argument(
        "--superlink",
        default="127.0.0.1:8000",
        metavar="HOST:PORT",
        help="address of the SuperLink itself, not of the proxy (127.0.0.1:8000)",
    )
    shared.add_argument(
        "--ca",
        type=_place,
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
    add.set_defaults(action="devices add")

    table = actions.add_parser("list", parents=[shared], help="show who is in, and who is there")
    table.add_argument(
        "--runs-dir",
        type=_place,
        metavar="DIR",
        help="the server's runs-dir, or one run: show clients, their last rounds and failures in "
        "the run that was written to last",
    )
    table.add_argument("--json", action="store_true", help="print it as JSON")
    table.set_defaults(action="devices list")

    remove = actions.add_parser(
        "remove",
        parents=[shared],
        help="let devices in no more",
        description="Unregister devices. They are off within seconds, and their keys are void for "
        "ever; a device comes back with a new key under a new name.",
    )
    remove.add_argument("names", nargs="+", metavar="NAME", help="devices")
    remove.set_defaults(action="devices remove")


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
    watch.set_defaults(action="watch")


def _add_doctor(commands: "Commands") -> None:
    doctor = commands.add_parser(
        "doctor", help="look at a device or a server: what is wrong, and what to do"
    )
    kinds = doctor.add_subparsers(required=True, metavar="device|server")
    shared = CommandLine(add_help=False)
    shared.add_argument(
        "--keys",
        type=_place,
        default=Path("/etc/nectar"),
        metavar="FOLDER",
        help="this machine's keys (/etc/nectar)",
    )

    device = kinds.add_parser(
        "device",
        parents=[shared],
        help="look at this device",
        description="Look at a device's Python, room, libraries, clock, server, certificate, key, "
        "secret and data. Nothing is changed. Call it as the user that runs the services.",
        epilog=_STATUS,
    )
    device.add_argument(
        "--settings",
        type=_place,
        metavar="FILE",
        help="file with lines SUPERLINK= and NODE_CONFIG= (/etc/nectar/device.env, if it is there)",
    )
    device.add_argument("--superlink", metavar="HOST:PORT", help="instead of SUPERLINK")
    device.add_argument("--node-config", metavar="CONFIG", help="instead of NODE_CONFIG")
    device.add_argument(
        "--app",
        type=_place,
        default=Path(),
        metavar="FOLDER",
        help="checkout, or another folder with client_app in it (this folder)",
    )
    device.set_defaults(action="doctor device")

    server = kinds.add_parser(
        "server",
        parents=[shared],
        help="look at this server",
        description="Look at a server's hub, its certificate, and what its proxy refuses.",
        epilog=_STATUS,
    )
    server.add_argument(
        "--proxy", required=True, metavar="HOST:PORT", help="by the name that devices use"
    )
    server.add_argument(
        "--hub",
        default="127.0.0.1:8000",
        metavar="HOST:PORT",
        help="the SuperLink (127.0.0.1:8000)",
    )
    server.set_defaults(action="doctor server")
