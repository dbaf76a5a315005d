"""A file of class names, one in each line, the same on all devices: some may lack a class."""

from collections.abc import Collection
from pathlib import Path

from strategies.common.errors import DataError
from strategies.common.names import normalised


def read(listing: Path, found: Collection[str], what: str, otherwise: str) -> tuple[str, ...]:
    """Return the names.

    Parameters
    ----------
    listing : Path
        The file.
    found : Collection[str]
        Classes that the data have, each of which must be among them.
    what, otherwise : str
        For the error: what of the data is called so, and what else to do about one that is not.

    Raises
    ------
    DataError
        If it is no such file, or lacks a class.
    """
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{listing}: expected UTF-8 text, got: {error}") from None
    names = tuple(normalised(line.strip()) for line in lines if line.strip())
    if len(set(names)) < len(names) or not names:
        raise DataError(f"{listing}: expected class names, one per line, each once")
    if unknown := [name for name in found if name not in names]:
        raise DataError(
            f"{listing}: expected a line for every {what}, found none for "
            f"{', '.join(unknown)}; add it on all devices or {otherwise}"
        )
    return names
