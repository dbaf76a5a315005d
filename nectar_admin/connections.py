"""Which TCP connections a process has, read from ``/proc``."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

_ESTABLISHED: Final = "01"
_LISTENING: Final = "0A"
_SOCKET = re.compile(r"socket:\[(\d+)\]")


@final
@dataclass(frozen=True)
class _Row:
    """One socket of a network namespace."""

    local_port: int
    remote_port: int
    state: str
    inode: str


def is_connected(pid: int, port: int) -> bool:
    """Tell whether a process itself has an established connection to a port elsewhere.

    Connections of its children do not count, nor those that others made to a port on which it
    listens: theirs may come from any port, that one too.

    Parameters
    ----------
    pid : int
        The process.
    port : int
        The port at the other end.

    Raises
    ------
    OSError
        If this system, or that process, does not tell.
    """
    inodes = set(_sockets(pid))
    own = [row for row in _rows(pid) if row.inode in inodes]
    served = {row.local_port for row in own if row.state == _LISTENING}
    return any(
        row.state == _ESTABLISHED and row.remote_port == port and row.local_port not in served
        for row in own
    )


def _sockets(pid: int) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):  # noqa: PTH208 - they are read, not looked at as files
        # Closed meanwhile.
        with suppress(OSError):
            found = _SOCKET.fullmatch(os.readlink(f"{folder}/{name}"))  # noqa: PTH115
            if found:
                yield found[1]


def _rows(pid: int) -> Iterator[_Row]:
    folder = Path(f"/proc/{pid}/net")
    tables = [folder / "tcp"]
    # Kernels without IPv6 have none.
    if (folder / "tcp6").exists():
        tables.append(folder / "tcp6")
    for table in tables:
        for line in table.read_text().splitlines()[1:]:
            # Number, local and remote address:port in hexadecimal digits, state, ..., inode.
            _, local, remote, state, *rest = line.split()
            yield _Row(_port(local), _port(remote), state, rest[5])


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
