"""Where things lie on a device is its own business: texts for the server name files alone."""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from strategies.common.errors import NectarError

_LOG = logging.getLogger(__name__)
# At least two names after a slash that no word, address or path goes on with.
_PATH: Final = re.compile(r"(?<![\w.:/\\~])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\'\"<>|:;,()\[\]]+){2,}")
_SEPARATOR: Final = re.compile(r"[/\\]")


def by_name(text: str, places: Iterable[Path | str] = ()) -> str:
    """Return a text in which absolute paths are names.

    Parameters
    ----------
    text : str
        Any text.
    places : Iterable[Path | str]
        Folders of this device, which may have spaces in their names; what lies in one is named by
        its way from there.

    Examples
    --------
    >>> by_name("/home/anna/My Data/cats/1.png: cannot be read", ["/home/anna/My Data/cats"])
    'cats/1.png: cannot be read'
    """
    known = {str(place) for place in places} - {"", "."}
    for place in sorted(known, key=len, reverse=True):
        if Path(place).is_absolute() and Path(place).name:
            text = text.replace(place, Path(place).name)
    return _PATH.sub(lambda found: _SEPARATOR.split(found[0])[-1], text)


@contextmanager
def told_by_name(places: Iterable[Path | str]) -> Iterator[None]:
    """Let an error that names places of this device name files alone; the log has the whole.

    Raises
    ------
    Exception
        What is raised within; in place of an error that is not Nectar's and has a path in its
        text, a ``NectarError`` of the same text.
    """
    try:
        yield
    except Exception as error:
        told = by_name(str(error), places)
        if told == str(error):
            raise
        _LOG.warning("%s: %s", type(error).__name__, error)
        raise retold(error, told) from error


def retold(error: Exception, told: str) -> Exception:
    """Return an error of the same kind with another text, or a ``NectarError`` of it."""
    if isinstance(error, NectarError):
        with suppress(TypeError):  # an error with more to say than a text
            return type(error)(told)
    return NectarError(f"{type(error).__name__}: {told}")
