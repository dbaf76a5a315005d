"""A folder of pictures, in which a question's picture is found by its name or its number."""

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import final

from client_app.data.collection import require_folder
from client_app.data.folder import walk

# Why a question is left out; each reads on from a number.
MISSING = "whose picture is missing"
SEVERAL = "whose picture may be one of several"
CLOSED = "whose picture is no regular file or not to be opened"

# As in COCO_val2014_000000262148.jpg and 000000262148.jpg.
_NUMBER = re.compile(r"(?:^|_)(\d+)$", re.ASCII)

_BEGINNINGS = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"RIFF": ".webp",
    b"BM": ".bmp",
    b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
}


@final
class PictureFiles:
    """All files of a folder and the folders in it.

    Parameters
    ----------
    folder : Path
        Holds them.

    Raises
    ------
    DataError
        If there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        require_folder(folder, "--images")
        self._folder = folder
        self._names: set[str] = set()
        self._by: dict[str | int, list[str]] = defaultdict(list)
        for path in walk(folder):
            name = path.relative_to(folder).as_posix()
            self._names.add(name)
            self._by[path.name].append(name)
            if path.stem != path.name:
                self._by[path.stem].append(name)
            if number := _NUMBER.search(path.stem):
                self._by[int(number[1])].append(name)

    def find(self, picture: str | int) -> tuple[str, str]:
        """Return the file of a picture, relative to the folder, or else why there is none.

        Parameters
        ----------
        picture : str | int
            Its name, with or without folders and ending; or its number.
        """
        if picture in self._names:
            return self._opened(str(picture))
        keys: list[str | int] = [picture]
        if isinstance(picture, str):
            keys.append(picture.replace("\\", "/").rpartition("/")[2])
        digits = str(picture)
        if digits.isascii() and digits.isdigit():
            keys.append(int(digits))
        found = next((self._by[key] for key in keys if key in self._by), [])
        if len(found) == 1:
            return self._opened(found[0])
        return "", SEVERAL if found else MISSING

    def _opened(self, name: str) -> tuple[str, str]:
        path = self._folder / name
        is_open = path.is_file() and os.access(path, os.R_OK)
        return (name, "") if is_open else ("", CLOSED)

    def link(self, name: str, folder: Path) -> None:
        """Put one of the files into another folder, under the same name.

        Raises
        ------
        OSError
            If that cannot be written.
        """
        target = folder / name
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        source = (self._folder / name).resolve()
        try:
            os.link(source, target)
        except OSError:  # another disk, or one without links
            shutil.copyfile(source, target)


def contents(cell: object) -> bytes | None:
    """Return an encoded picture that a table holds in one of its two forms, if it holds one."""
    inside = cell.get("bytes") if isinstance(cell, Mapping) else cell
    return inside if isinstance(inside, bytes) and inside else None


def put(folder: Path, stem: str, picture: bytes) -> str:
    """Write an encoded picture into a folder, and return the file's name.

    Raises
    ------
    OSError
        If that cannot be written.
    """
    suffix = next((end for start, end in _BEGINNINGS.items() if picture.startswith(start)), "")
    name = f"{stem}{suffix}"
    (folder / name).write_bytes(picture)
    return name
