"""Text that another machine made up, made fit for a log, a file and a page.

A device may send escape sequences that rewrite a terminal, letters that no file takes, or a
megabyte of either. Whatever is logged, stored or shown goes through here first, at the door.
"""

# Letters of a sender's that an error repeats.
LONGEST_SEEN = 200
# Letters that are read for each that is kept, since blanks are joined.
_AHEAD = 4
# They change how letters beside them are drawn, and nothing else: Persian and emoji need them.
_JOINERS = "\u200c\u200d"


def cleaned(text: str, most: int) -> str:
    r"""Return a text as one line of printable letters.

    Parameters
    ----------
    text : str
        As it came.
    most : int
        Letters that are kept, 1 or more; a longer text ends in an ellipsis.

    Examples
    --------
    >>> cleaned("one\n  two\x1b[31m", 100)
    'one two\\x1b[31m'
    >>> cleaned("abcdef", 4)
    'abc…'
    """
    line = " ".join(text[: _AHEAD * most].split())
    plain = "".join(_plain(letter) for letter in line[: most + 1])
    whole = len(plain) <= most and len(text) <= _AHEAD * most
    return plain if whole else f"{plain[: most - 1]}…"


def seen(value: object) -> str:
    """Write what a sender made up so that an error can repeat it in one line of ASCII."""
    text = ascii(value)[1:-1] if isinstance(value, str) else ascii(value)
    return text if len(text) <= LONGEST_SEEN else f"{text[:LONGEST_SEEN]}..."


def _plain(letter: str) -> str:
    return letter if letter.isprintable() or letter in _JOINERS else ascii(letter)[1:-1]
