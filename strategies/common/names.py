"""Names as unlike devices compare and show them.

File systems keep one name in several forms: a Mac may decompose ``é`` into a letter and an accent,
and Linux keeps bytes that are no text at all.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable

# How Python carries a byte of a file's name that is no UTF-8.
_UNDECODED = re.compile("[\udc80-\udcff]")


def normalised(name: str) -> str:
    """Return a name in Unicode's composed form (NFC), in which names are compared and sorted."""
    return unicodedata.normalize("NFC", name)


def digest(names: Iterable[str]) -> str:
    """Return the hexadecimal SHA-256 of names in order, whatever form they were in."""
    told = json.dumps([normalised(name) for name in names])
    return hashlib.sha256(told.encode()).hexdigest()


def printable(text: str) -> str:
    r"""Return text that can be encoded: a byte that is no UTF-8 stands as ``\xe9``.

    Examples
    --------
    >>> printable("caf\udce9")
    'caf\\xe9'
    """
    shown = _UNDECODED.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text)
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")
