"""Errors as Flower can carry them: text that is UTF-8, whatever a file on the device is called."""

from collections.abc import Iterator
from contextlib import contextmanager

from strategies.common.errors import DataError, NectarError
from strategies.common.foreign_text import cleaned

_LONGEST = 2000


@contextmanager
def errors_that_travel() -> Iterator[None]:
    """Raise an error whose text cannot be sent with letters that can.

    Raises
    ------
    NectarError
        Of the same kind, or a ``DataError`` with the kind in its text.
    """
    try:
        yield
    except Exception as error:  # whatever is raised here reaches the server
        text = str(error)
        if text.isascii() or not _lone(text):
            raise
        if isinstance(error, NectarError):
            raise type(error)(cleaned(text, _LONGEST)) from None
        raise DataError(cleaned(f"{type(error).__name__}: {text}", _LONGEST)) from None


def _lone(text: str) -> bool:
    """Tell whether a text holds halves of letters, as names do that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
