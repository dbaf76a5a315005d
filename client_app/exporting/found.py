"""Where a client's states lie, as a user names them."""

from pathlib import Path
from typing import Final

from strategies.common import tensor_file
from strategies.common.errors import StoreError
from strategies.common.home import expanded

_LISTED: Final = 10


def find(state: Path, partition: int | None) -> Path:
    """Return the folder of one client's states.

    Parameters
    ----------
    state : Path
        ``<state-dir>/<run-name>``, or the folder of a client in it.
    partition : int | None
        Which client; ``None`` for the only one.

    Raises
    ------
    StoreError
        If there is none, or there are several, naming those that are there.
    """
    state = expanded(state)
    try:
        return _find(state, partition)
    except OSError as error:
        raise StoreError(
            f"{state}: cannot be looked at ({error.strerror or error}); name "
            f"<state-dir>/<run-name> of this device"
        ) from None


def _find(state: Path, partition: int | None) -> Path:
    if tensor_file.rounds_in(state) and partition in (None, _number(state)):
        return state
    there = sorted(_clients(state), key=_number)
    if partition is None and len(there) == 1:
        return there[0]
    for folder in there:
        if partition is not None and _number(folder) == partition:
            return folder
    if there:
        found = ", ".join(folder.name for folder in there[:_LISTED])
        asked = "name one with --partition" if partition is None else f"there is no {partition}"
        raise StoreError(f"{state}: found the states of clients {found}; {asked}")
    runs = _runs(state)
    advice = f"; runs in it: {', '.join(runs)}" if runs else ""
    raise StoreError(
        f"{state}: expected the states of a run's clients, found none; name "
        f"<state-dir>/<run-name> of this device{advice}"
    )


def _number(folder: Path) -> int:
    name = folder.absolute().name
    return int(name) if name.isdecimal() else -1


def _clients(run: Path) -> list[Path]:
    if not run.is_dir():
        return []
    inside = (path for path in run.iterdir() if path.is_dir() and path.name.isdecimal())
    return [path for path in inside if tensor_file.rounds_in(path)]


def _runs(place: Path) -> list[str]:
    if not place.is_dir():
        return []
    inside = sorted(path for path in place.iterdir() if path.is_dir())
    return [path.name for path in inside if _clients(path)][:_LISTED]
