"""A file of class names, one in each line, the same on all devices: some may lack a class."""

from pathlib import Path

from strategies.common.errors import DataError
from strategies.common.names import normalised


def read(listing: Path) -> tuple[str, ...]:
    """Return the names.

    Raises
    ------
    DataError
        If it is no such file.
    """
    try:
        lines = listing.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{listing}: expected UTF-8 text, got: {error}") from None
    names = tuple(normalised(line.strip()) for line in lines if line.strip())
    if len(set(names)) < len(names) or not names:
        raise DataError(f"{listing}: expected class names, one per line, each once")
    return names
