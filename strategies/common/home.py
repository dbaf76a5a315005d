"""Places that a user names from a home folder, ``~/models`` or ``~anna/models``."""

from pathlib import Path

from strategies.common.errors import StoreError


def expanded(place: Path | str, where: str = "") -> Path:
    """Return a place with the home folder that it begins with, if it does.

    Parameters
    ----------
    place : Path | str
        As the user named it.
    where : str
        What stands before it in the message, e.g. ``"--out "``.

    Raises
    ------
    StoreError
        If nobody of that name has a home folder here.
    """
    try:
        return Path(place).expanduser()
    except RuntimeError:
        raise StoreError(
            f"{where}{place}: expected a home folder of that name, found none; name it in full"
        ) from None
