"""Names that are written into certificates, dialled or become folders, checked before."""

import ipaddress
import re

from nectar_admin.errors import AdminError

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST_HOST = 253
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LARGEST_PORT = 65535
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def require_host(text: str) -> str:
    """Return a host's name in small letters, or its IP address, as a certificate has it.

    Raises
    ------
    AdminError
        If it is neither.

    Examples
    --------
    >>> require_host("Cloud.example.org"), require_host("2001:DB8::0")
    ('cloud.example.org', '2001:db8::')
    """
    name = _host(text)
    if name is None:
        raise AdminError(
            f"--name {text!r}: expected the name of a host or an IP address, without scheme and "
            f"port, e.g. cloud.example.org or 203.0.113.7; names in other scripts in their "
            f"form xn--..."
        )
    return name


def require_address(text: str, option: str) -> tuple[str, int]:
    """Return host and port of a server.

    Parameters
    ----------
    text : str
        ``HOST:PORT``, an IPv6 address in brackets.
    option : str
        Which option it is of.

    Raises
    ------
    AdminError
        If it is none.

    Examples
    --------
    >>> require_address("cloud.example.org:8443", "--proxy"), require_address("[::1]:1", "--hub")
    (('cloud.example.org', 8443), ('::1', 1))
    """
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    name = _host(host)
    if name is None or not _PORT.fullmatch(port) or int(port) > _LARGEST_PORT:
        raise AdminError(
            f"{option}: expected HOST:PORT, such as cloud.example.org:8443, got {text!r}"
        )
    return name, int(port)


def _host(text: str) -> str | None:
    """Return the name of a host or an IP address as all write it, or ``None``."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        if "%" not in text:
            return str(address)
    name = text.lower()
    labels = name.split(".")
    # Digits at the end are those of an address with a slip in it.
    good = len(name) <= _LONGEST_HOST and all(map(_LABEL.fullmatch, labels))
    return name if good and not labels[-1].isdigit() else None


def require_device(text: str) -> str:
    """Return the name of a device, which becomes a folder.

    Raises
    ------
    AdminError
        If it could be anything but one folder.
    """
    if not _DEVICE.fullmatch(text):
        raise AdminError(
            f"device {text!r}: expected a name of 1 to 63 letters, digits, dots, hyphens and "
            f"underscores that begins with a letter or digit, e.g. pi-0"
        )
    return text
