"""Files of settings as systemd reads them: ``EnvironmentFile=`` of a unit."""

import re
from pathlib import Path
from typing import Final

from nectar_admin.errors import AdminError, unusable

_LINE: Final = re.compile(r"\s*(?P<name>[^\s=#;][^=\n]*)=(?P<value>(?:\\\n|[^\n])*)")
_QUOTED: Final = re.compile(r"""\s*(?:"((?:\\.|[^"\\])*)"|'([^']*)')""", re.DOTALL)
# In double quotes, behind a backslash: these stand for themselves, the end of a line for nothing.
_ESCAPED_IN_QUOTES: Final = re.compile(r'\\(["\\`$\n])')
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def read(file: Path) -> dict[str, str]:
    """Read a file of lines ``NAME=VALUE``; the last of a name counts.

    Quotes around a value are no part of it, and those within one are.

    Raises
    ------
    AdminError
        If it cannot be read, or is no text.
    """
    try:
        text = file.read_bytes().decode()
    except OSError as error:
        raise unusable(file, error) from None
    except UnicodeDecodeError as error:
        raise AdminError(
            f"{file}: expected text in UTF-8, got byte {error.object[error.start]:#04x} in line "
            f"{error.object.count(bytes([10]), 0, error.start) + 1}; write it anew in UTF-8"
        ) from None
    lines = (_LINE.match(line) for line in _lines(text))
    return {line["name"].strip(): _value(line["value"]) for line in lines if line}


def _lines(text: str) -> list[str]:
    """Return the lines, of which those that end in a backslash go on."""
    return re.findall(r"(?:\\\n|[^\n])+", text.replace("\r\n", "\n"))


def _value(text: str) -> str:
    """Return what is meant by what stands behind the equals sign.

    Examples
    --------
    >>> _value(' "host:8443" '), _value('a=1 data="digits" ')
    ('host:8443', 'a=1 data="digits"')
    """
    told, at = "", 0
    while found := _QUOTED.match(text, at):
        told += found[2] if found[1] is None else _ESCAPED_IN_QUOTES.sub(_meant, found[1])
        at = found.end()
    return told + _ESCAPED.sub(_meant, text[at:].strip())


def _meant(found: re.Match[str]) -> str:
    return found[1].replace("\n", "")
