"""Copies the SuperLink's database whole, and puts a copy back; called by ``install.sh``.

    superlink_database.py keep DATABASE COPY         any time, also by hand for a backup
    superlink_database.py restore COPY DATABASE      only while the SuperLink is stopped

SQLite keeps what was written last in a file of its own beside the database, ``-wal``, for as long
as it likes. A plain copy of the database lacks that, and one that is put back beside it is damaged.
"""

import os
import sqlite3
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

_BESIDE: Final = ("-wal", "-shm")
# Flower's word for a node whose key is void.
_REMOVED: Final = "unregistered"


class DatabaseError(Exception):
    """A database cannot be copied."""


def keep(database: Path, copy: Path) -> str:
    """Copy a database, also one that is in use; return what came of it.

    Raises
    ------
    DatabaseError
        If it cannot be read whole; a copy that was there stays.
    OSError
        If the copy cannot be written.
    """
    _copied(database, copy).replace(copy)
    return f"{copy}: a whole copy of {database.name}"


def restore(copy: Path, database: Path) -> str:
    """Put a copy in the place of a database that nobody uses; return what that undid.

    Raises
    ------
    DatabaseError
        If the copy cannot be read whole; the database stays.
    OSError
        If the database cannot be written.
    """
    now, before = _nodes(database), _nodes(copy)
    part = _copied(copy, database)
    # They belong to the database that goes.
    for ending in _BESIDE:
        database.with_name(f"{database.name}{ending}").unlink(missing_ok=True)
    part.replace(database)
    lines = [f"{database}: as in {copy.name}; what the SuperLink was told since then is undone"]
    if now is None or before is None:
        lines.append("which registrations that undoes cannot be read; compare: devices list")
        return "\n".join(lines)
    if now - before:
        lines.append(f"no longer registered: {_told(now - before)}; let in again by: devices add")
    if before - now:
        lines.append(f"LET IN AGAIN: {_told(before - now)}; to keep them out: devices remove")
    return "\n".join(lines)


def _copied(database: Path, target: Path) -> Path:
    """Return a copy that lies beside its target, for the owner of the database."""
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with closing(_opened(database)) as source, closing(sqlite3.connect(part)) as made:
            source.backup(made)
            (said,) = made.execute("PRAGMA quick_check(1)").fetchone()
            if said != "ok":
                raise DatabaseError(f"{database}: is damaged ({said})")
        owner = database.stat()
        part.chmod(owner.st_mode & 0o777)
        os.chown(part, owner.st_uid, owner.st_gid)
        with part.open("rb") as file:
            os.fsync(file.fileno())
    except sqlite3.Error as error:
        part.unlink(missing_ok=True)
        raise DatabaseError(
            f"{database}: expected a database of SQLite's, and room for a copy as {target}, got: "
            f"{error}"
        ) from None
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _opened(database: Path) -> sqlite3.Connection:
    """Open a database that is there."""
    return sqlite3.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True)


def _nodes(database: Path) -> set[int] | None:
    """Return the numbers of the nodes that are let in, or ``None`` where Flower says otherwise."""
    try:
        with closing(_opened(database)) as source:
            found = source.execute("SELECT node_id FROM node WHERE status != ?", (_REMOVED,))
            # SQLite has no numbers without a sign.
            return {node_id % (1 << 64) for (node_id,) in found}
    except (sqlite3.Error, TypeError):
        return None


def _told(nodes: set[int]) -> str:
    return f"node{'s' if len(nodes) > 1 else ''} {', '.join(map(str, sorted(nodes)))}"


_ACTIONS: Final[Mapping[str, Callable[[Path, Path], str]]] = {"keep": keep, "restore": restore}


def main(action: str, source: str, target: str) -> int:
    """Do one of both, print what came of it, and return the exit status."""
    # Between being made and being given away it is for nobody else to read.
    os.umask(0o077)
    try:
        told = _ACTIONS[action](Path(source), Path(target))
    except (DatabaseError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{told}\n")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in _ACTIONS:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
