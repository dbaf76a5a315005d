"""Command line: keys of a federation, its devices, and a watch over one device's connection."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nectar_admin.errors import AdminError

if TYPE_CHECKING:
    from nectar_admin.key_folder import KeyFolder

_EXAMPLES = """\
examples:
  # on the server, or wherever the CA's key is to stay
  python -m nectar_admin keys server keys --name cloud.example.org --name 203.0.113.7
  python -m nectar_admin keys node keys pi-0 pi-1
  python -m nectar_admin keys show keys

  # the server's certificate again, for 90 days more and the same names
  python -m nectar_admin keys server keys
"""
_KEYS_FOLDER = "folder with the keys"


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except AdminError as error:
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
    return parser


def _add_keys(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
