"""Errors as Flower can carry them: text that is UTF-8, whatever a file on the device is called."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from strategies.common.errors import DataError, ModelError, NectarError
from strategies.common.foreign_text import cleaned, seen

_LONGEST = 2000


@contextmanager
def errors_that_travel() -> Iterator[None]:
    """Raise an error whose text cannot be sent with letters that can.

    Raises
    ------
    NectarError
        Of the same kind, or a ``DataError`` with the kind in its text.
    ModelError
        If this device's own report has a number out of its range.
    """
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelError(
            f"{error.title.lower()}.{place}: {first['msg']}, got {seen(first['input'])}; the "
            f"training may have diverged: lower the learning rate"
        ) from None
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
