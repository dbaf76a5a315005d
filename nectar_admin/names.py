"""Names that are written into certificates or become folders, checked before."""

import ipaddress
import re

from nectar_admin.errors import AdminError

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST_HOST = 253
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
    if not good or labels[-1].isdigit():
        raise AdminError(
            f"--name {text!r}: expected the name of a host or an IP address, without scheme and "
            f"port, e.g. cloud.example.org or 203.0.113.7; names in other scripts in their "
            f"form xn--..."
        )
    return name


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
