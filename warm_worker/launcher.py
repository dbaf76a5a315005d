"""What Flower starts in the place of an app: it asks the warm server to be that app.

``python -I -S launcher.py SOCKET PROGRAM OPTIONS``. It imports next to nothing, hands its
arguments, environment, folder and the three standard files over, passes signals on, and ends
as the app ends. Without a server it becomes the program that it stands for.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from types import FrameType

_PATIENCE_S = 120.0
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_S = 0.2


def main(address: str, command: list[str]) -> int:
    """Start an app by the server, or by its own program; return its exit status."""
    # Until there is an app to pass them on to.
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.settimeout(_PATIENCE_S)
            server.connect(address)
            _hand_over(server, command)
            pid = _number(server)
            if pid:
                return _stand_by(server, pid)
        cause = "it has ended"
    except OSError as error:
        cause = str(error)
    print(
        f"warm worker: no server at {address} ({cause}): {command[0]} starts by itself, which "
        "takes seconds",
        file=sys.stderr,
        flush=True,
    )
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    return os.execv(command[0], command)  # noqa: S606 - the program it stands for


def _hand_over(server: socket.socket, command: list[str]) -> None:
    order = json.dumps([command, os.getcwd(), dict(os.environ)]).encode()  # noqa: PTH109 - pathlib takes time to import
    socket.send_fds(server, [len(order).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(order)


def _number(server: socket.socket) -> int | None:
    told = b""
    while len(told) < 4:
        part = server.recv(4 - len(told))
        if not part:
            return None
        told += part
    return int.from_bytes(told, "big", signed=True)


def _stand_by(server: socket.socket, pid: int) -> int:
    def pass_on(number: int, _: FrameType | None) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return

    # A signal to the whole group reaches the app itself, and must not reach it twice.
    os.setpgid(0, 0)
    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    server.settimeout(None)
    try:
        status = _number(server)
    except OSError:
        status = None
    if status is None:
        # The server is gone; what it started goes on without it.
        _wait_for(pid)
        return 1
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def _wait_for(pid: int) -> None:
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        while True:
            try:
                os.kill(pid, 0)
            except OSError:
                return
            time.sleep(_LOOK_S)
    select.select([watched], [], [])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
