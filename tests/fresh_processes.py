"""Processes of their own that have imported torch and nothing else of weight.

Tests of what a program imports need a fresh process, and most of its start goes into torch.
One process imports it for all of them and forks itself; a fork is as fresh as a new one.
"""

import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import final

ROOT = Path(__file__).parents[1]
# A program that takes longer hangs.
TIMEOUT_S = 120.0


@final
class FreshProcesses:
    """Runs Python programs in forks of a process that has imported torch."""

    def __init__(self) -> None:
        self._door, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()]
        )
        theirs.close()

    def run(
        self,
        *command: str,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        strict: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run what ``python`` would with these words, and return its end.

        Parameters
        ----------
        command : str
            ``-c`` and a program, or ``-m`` and a module; then its arguments.
        cwd : Path
            Where it runs; modules are found there first.
        env : Mapping[str, str] | None
            Its environment; ``None`` for that of this process.
        stdin : str
            What it reads.
        strict : bool
            Whether warnings are errors.
        """
        ours, theirs = socket.socketpair()
        with Connection(ours.detach()) as pipe, tempfile.TemporaryDirectory() as folder:
            socket.send_fds(self._door, [b"."], [theirs.fileno()])
            theirs.close()
            streams = [Path(folder) / name for name in ("in", "out", "err")]
            streams[0].write_text(stdin)
            for path in streams[1:]:
                path.touch()
            environment = dict(os.environ if env is None else env)
            pipe.send((command, str(cwd), environment, strict, [str(path) for path in streams]))
            if not pipe.poll(TIMEOUT_S):
                raise TimeoutError(f"expected the end of {command} within {TIMEOUT_S:g} s")
            try:
                status = pipe.recv()
            except EOFError:
                status = -signal.SIGKILL
            out, err = (path.read_text() for path in streams[1:])
        return subprocess.CompletedProcess(command, status, out, err)

    def close(self) -> None:
        """End the process; nobody can ask any more, and its own farewell takes seconds."""
        self._door.close()
        self._process.kill()
        self._process.wait(timeout=30)


def serve(door: socket.socket) -> None:
    """Fork for each pipe that comes in, until the other side is gone."""
    usual = [path for path in sys.path[1:] if path not in _python_path(os.environ)]
    import torch  # noqa: F401

    # Children that ended need no waiting for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, handles, *_ = socket.recv_fds(door, 1, 1)
        if not asked:
            return
        if os.fork() == 0:
            door.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            pipe = Connection(handles[0])
            status = _run(*pipe.recv(), usual)
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            pipe.send(status)
            # The parent's own clean-up is not for its children to do.
            os._exit(0)
        os.close(handles[0])


def _run(
    command: Sequence[str],
    cwd: str,
    env: Mapping[str, str],
    strict: bool,
    streams: Sequence[str],
    usual: Sequence[str],
) -> int:
    kind, program, *arguments = command
    for handle, path in enumerate(streams):
        os.dup2(os.open(path, os.O_WRONLY if handle else os.O_RDONLY), handle)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:] = [cwd, *_python_path(env), *usual]
    sys.argv = [kind if kind == "-c" else program, *arguments]
    if strict:
        warnings.simplefilter("error")
    try:
        if kind == "-c":
            exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _python_path(env: Mapping[str, str]) -> list[str]:
    return [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
