"""Names of classes that a device keeps to itself: texts for the server number them.

That holds for notes and for errors alike, whatever they are about: a folder of images is called
after its class, and so is every file in it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Final, final

from client_app.data.left_out import shown
from client_app.own_places import retold
from strategies.common.foreign_text import cleaned
from strategies.common.names import normalised, printable
from strategies.common.transport.ranges import NAME_LENGTH

# A name that may stand in a text as a count of something else.
_NUMBER: Final = re.compile(r"[+-]?[\d.,]+")


@final
class PrivateClasses:
    """What a device keeps to itself, once it is known that it does."""

    def __init__(self) -> None:
        self._names: Callable[[], Sequence[str]] = tuple

    def keep(self, names: Callable[[], Sequence[str]]) -> None:
        """Keep names to the device, which are asked for once, where there is a text to tell."""
        self._names = cache(names)

    def told(self, text: str) -> str:
        """Return a text that can travel; see :func:`by_number`."""
        return by_number(text, self._names())


@contextmanager
def classes_by_number() -> Iterator[PrivateClasses]:
    """Let an error number the classes whose names are kept; what is yielded is told of them.

    Raises
    ------
    Exception
        What is raised within; in place of an error with such a name in its text, one of the same
        kind with numbers, where it is Nectar's, or a ``NectarError``.
    """
    private = PrivateClasses()
    try:
        yield private
    except Exception as error:
        told = private.told(str(error))
        if told == normalised(printable(str(error))):
            raise
        raise retold(error, told) from error


def by_number(text: str, private: Sequence[str]) -> str:
    """Return a text that can travel, in which classes of private names stand by their number.

    A name that is a number counts where it is one of a folder, or in quotes: elsewhere it may be
    how many there are of something.

    Parameters
    ----------
    text : str
        Any text.
    private : Sequence[str]
        Names in the order of their labels.

    Examples
    --------
    >>> by_number("2 that cannot be decoded (flu/1.png, 7/2.png)", ["flu", "7"])
    '2 that cannot be decoded (class 0/1.png, class 1/2.png)'
    """
    told = normalised(printable(text))
    labels: dict[str, int] = {}
    for label, name in enumerate(private):
        if name != str(label):
            for form in (normalised(printable(name)), shown(normalised(name)), as_sent(name)):
                labels.setdefault(form, label)
    labels.pop("", None)
    if not labels:
        return told
    # The longest first: one name may begin with another.
    found = "|".join(_pattern(name) for name in sorted(labels, key=len, reverse=True))
    folded = {name.casefold(): label for name, label in reversed(labels.items())}

    def numbered(match: re.Match[str]) -> str:
        label = labels.get(match[0], folded.get(match[0].casefold()))
        return "class" if label is None else f"class {label}"

    return re.sub(found, numbered, told, flags=re.IGNORECASE)


def as_sent(name: str) -> str:
    """Return the name of a class as it arrives: names are compared by what may be shown of them."""
    return cleaned(normalised(printable(name)), NAME_LENGTH)


def _pattern(name: str) -> str:
    escaped = re.escape(name)
    if _NUMBER.fullmatch(name):
        return rf"(?<![\w.]){escaped}(?=/)|(?<=['\"]){escaped}(?=['\"])"
    # Files are called after their class with a number: flu_003.png, Flu7.png.
    return rf"(?<![^\W\d_]){escaped}(?![^\W\d_])"
