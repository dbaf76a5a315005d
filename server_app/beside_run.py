"""Lists that others than the server put into a run's folder, read back strictly."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from strategies.common.errors import RunFolderError

Entry = TypeVar("Entry")


def read_list(path: Path, kind: TypeAdapter[tuple[Entry, ...]], expected: str) -> tuple[Entry, ...]:
    """Read a JSON list; empty where there is no file.

    Parameters
    ----------
    path : Path
        The file.
    kind : TypeAdapter[tuple[Entry, ...]]
        What its entries are.
    expected : str
        The same in words, for the error message.

    Raises
    ------
    RunFolderError
        If the file cannot be understood.
    """
    if not path.is_file():
        return ()
    try:
        return kind.validate_python(json.loads(path.read_bytes()))
    except (ValueError, ValidationError) as error:
        reason = str(error).split("\n", 1)[0]
        raise RunFolderError(f"{path}: expected {expected}, got {reason}") from None
