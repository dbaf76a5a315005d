"""Where the server listens, and what devices dial."""

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import final
from urllib.parse import urlsplit

from server_app.split.naming import SETTINGS, Names, called
from strategies.common.errors import SettingsError
from strategies.common.split.settings import SplitSettings

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - recognised, not chosen


@final
@dataclass(frozen=True)
class Address:
    """The server's address, before its port is known.

    Attributes
    ----------
    host, port : str, int
        Where it listens; port 0 takes a free one.
    dialled_host, dialled_port : str, int
        What devices dial; port 0 is the one that it listens on.
    """

    host: str
    port: int
    dialled_host: str
    dialled_port: int

    @property
    def bind(self) -> str:
        """What the server binds to."""
        return _join(self.host, self.port)

    def dialled(self, port: int) -> str:
        """Return what devices dial, given the port that the server listens on."""
        return _join(self.dialled_host, self.dialled_port or port)


def read_address(settings: SplitSettings, names: Names = SETTINGS) -> Address:
    """Return the address of the settings.

    Parameters
    ----------
    settings : SplitSettings
        The settings.
    names : Names
        What messages call them.

    Raises
    ------
    SettingsError
        If devices could not know what to dial.
    """
    host = settings.host.strip("[]")
    advertise = settings.advertise
    dialled, port = _split(advertise, names["advertise"]) if advertise else (host, 0)
    if dialled in _EVERYWHERE:
        raise SettingsError(
            f"{called(names['advertise'])}: expected the name or address that devices dial, since "
            f"{names['host']}={settings.host} listens on all of this machine's, got {advertise!r}"
        )
    return Address(host, settings.port, dialled, port)


def check_host(text: str, names: Names) -> None:
    """Refuse what no server can listen on.

    Raises
    ------
    SettingsError
        If it is no name and no address, or has a port.
    """
    with suppress(SettingsError):
        if not _split(text, names["host"])[1]:
            return
    raise SettingsError(
        f"{called(names['host'])}: expected a name or an address without a port, got {text!r}"
    )


def _split(text: str, name: str) -> tuple[str, int]:
    with suppress(ValueError):
        return str(ip_address(text.strip("[]"))), 0
    with suppress(ValueError):
        parts = urlsplit(f"//{text}")
        if parts.hostname and parts.port != 0 and parts.netloc == text and "@" not in text:
            return parts.hostname, parts.port or 0
    raise SettingsError(
        f"{called(name)}: expected host or host:port, got {text!r}; an IPv6 address with a port "
        f"stands in brackets"
    )


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
