"""What a source leaves out, counted by reason and told in one sentence.

Names are shown as text that can be printed and sent: what is no UTF-8 and what is not printable
is escaped.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from strategies.common.errors import DataError
from strategies.common.names import printable

# Of each reason, so that a note stays a sentence.
NAMED = 3
_LONGEST_NAME = 80

# Names by the reason for which they are left out; a reason reads on from a number.
LeftOut = Mapping[str, Sequence[str]]


def shown(name: str) -> str:
    r"""Return a name as it can be printed and sent, whatever bytes it is made of.

    Examples
    --------
    >>> shown("caf\udce9\x1b.png")
    'caf\\xe9\\x1b.png'
    """
    text = printable(name)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def merged(*parts: LeftOut) -> dict[str, list[str]]:
    """Return several reckonings as one, names of one reason after another."""
    together: dict[str, list[str]] = {}
    for part in parts:
        for reason, names in part.items():
            together.setdefault(reason, []).extend(names)
    return together


def told(where: str, left_out: LeftOut, total: int, what: str = "files") -> tuple[str, ...]:
    """Return one note that counts what is left out by reason, with a few names of each.

    Parameters
    ----------
    where : str
        Names the source.
    left_out : LeftOut
        Names by reason.
    total : int
        How many there are, with those that are used.
    what : str
        What is counted.

    Returns
    -------
    tuple[str, ...]
        One sentence; none where nothing is left out.

    Examples
    --------
    >>> told("folder", {"hidden": [".a", ".b"], "beside the class folders": ["c"]}, 9)
    ('folder: 3 of 9 files left out: 2 hidden (.a, .b), 1 beside the class folders (c)',)
    """
    count = sum(map(len, left_out.values()))
    return (f"{where}: {count} of {total} {what} left out: {reasons(left_out)}",) if count else ()


def reasons(left_out: LeftOut) -> str:
    """Return how many are left out for each reason, with a few names."""
    found = ((reason, names) for reason, names in left_out.items() if names)
    return ", ".join(f"{len(names)} {reason} ({some(names)})" for reason, names in found)


@contextmanager
def explained(notes: Sequence[str]) -> Iterator[None]:
    """Add to an error about data what was left out before: it may be why too little is there.

    Raises
    ------
    DataError
        That of the context, with what it does not say yet.
    """
    try:
        yield
    except DataError as error:
        told = str(error)
        raise DataError("; ".join([told, *(note for note in notes if note not in told)])) from None


def some(names: Sequence[str]) -> str:
    """Return the first of some names, shortened, and dots for the rest."""
    first = [_short(shown(name)) for name in names[:NAMED]]
    return ", ".join([*first, "..."] if len(names) > NAMED else first)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"...{name[-_LONGEST_NAME:]}"
