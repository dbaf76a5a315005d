"""Look at a device or a server, say what is wrong, and what to do."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from click import ClickException
from flwr.common.config import parse_config_args

from nectar_admin.doctor import environment_file, machine
from nectar_admin.doctor.data import readable
from nectar_admin.doctor.finding import Finding, Verdict, fault, tell
from nectar_admin.doctor.identity import RUNTIME, known, secret
from nectar_admin.doctor.reach import Address, reached
from nectar_admin.doctor.server import served
from nectar_admin.errors import AdminError
from nectar_admin.names import require_address
from nectar_admin.printer import Printer

SETTINGS: Final = Path("/etc/nectar/device.env")


@final
@dataclass(frozen=True)
class Device:
    """What a device is told of itself.

    Attributes
    ----------
    server : Address
        The server's proxy.
    keys : Path
        Folder with ``node.key``, ``ca.crt`` and ``superexec.secret``.
    node_config : str
        As given to ``flower-supernode --node-config``.
    app : Path
        Folder that holds the package ``client_app``.
    """

    server: Address
    keys: Path
    node_config: str
    app: Path


def look_at_device(options: argparse.Namespace) -> int:
    """Look at a device, print what is found, return the exit status.

    Raises
    ------
    AdminError
        If the options do not say which device of which server.
    """
    return tell(_device(told(options)), Printer(soft_wrap=True))


def look_at_server(options: argparse.Namespace) -> int:
    """Look at a server, print what is found, return the exit status.

    Raises
    ------
    AdminError
        If an address is none.
    """
    proxy, hub = address(options.proxy, "--proxy"), address(options.hub, "--hub")
    return tell(served(proxy, hub, _authorities(options.keys)), Printer(soft_wrap=True))


def told(options: argparse.Namespace) -> Device:
    """Put together what options and the settings file say.

    Raises
    ------
    AdminError
        If they do not say enough, or it cannot be understood.
    """
    file = options.settings or SETTINGS
    if options.settings is not None and not file.is_file():
        raise AdminError(f"--settings: there is no file {file}")
    settings = environment_file.read(file) if file.is_file() else {}
    server = options.superlink or settings.get("SUPERLINK")
    if not server:
        raise AdminError(
            "which server? give --superlink HOST:PORT, or --settings with a line "
            "SUPERLINK=HOST:PORT "
            f"({SETTINGS} is not there)"
        )
    config = options.node_config if options.node_config is not None else settings.get("NODE_CONFIG")
    return Device(address(server, "--superlink"), options.keys, config or "", options.app)


def address(text: str, option: str) -> Address:
    """Read HOST:PORT.

    Raises
    ------
    AdminError
        If it is none.
    """
    return Address(*require_address(text, option))


def _device(device: Device) -> Iterator[Finding]:
    yield machine.python()
    config = _config(device.node_config)
    if isinstance(config, Finding):
        yield config
        config = {}
    yield from machine.state(Path(str(config.get("state-dir", "state"))))
    yield from machine.start()
    authorities = _authorities(device.keys)
    stands = True
    for finding in reached(device.server, authorities):
        # A certificate or clock that is wrong keeps the key from being asked for.
        stands = stands and finding.verdict is not Verdict.FAULT
        yield finding
    if stands:
        yield from known(device.server, authorities, device.keys / "node.key")
    yield secret(device.keys / "superexec.secret", RUNTIME)
    if "data" in config:
        yield readable(str(config["data"]), device.node_config, device.app)


def _config(text: str) -> dict[str, object] | Finding:
    try:
        return dict(parse_config_args([text] if text else None))
    except (ValueError, ClickException) as error:
        return fault(
            "node config",
            f"'{text}' cannot be read ({error})",
            "write key=value with spaces between, and quotes around texts: "
            'data="folder:/srv/images"',
        )


def _authorities(keys: Path) -> Path | None:
    """Return the certificates that come with keys, or ``None``: then the system's count."""
    file = keys / "ca.crt"
    return file if file.exists() else None
