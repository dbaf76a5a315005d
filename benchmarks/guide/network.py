"""Machines to follow the guide on: containers that boot systemd, in a network of their own."""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, final

from benchmarks.guide.told import script

_NAME: Final = "nectar-guide"
_LABEL: Final = "nectar.guide"
_IMAGE: Final = "nectar-machine"
_RECIPE: Final = Path(__file__).parent / "Dockerfile"
USER: Final = "me"
# A whole installation on a machine that has other work.
_LONGEST_S: Final = 3600.0
_BOOT_S: Final = 120.0
_POLL_S: Final = 2.0
_SHOWN: Final = 40
# Whose words are in a log of their own.
_ENGINE: Final = "podman"
_FILTER: Final = ("--filter", f"label={_LABEL}")


class MachineError(Exception):
    """A machine did not do what it was told, or there is none."""


@final
class Network:
    """Machines by name, which reach each other by these names.

    Parameters
    ----------
    logs : Path
        Folder that takes all that they say, by machine.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        logs.mkdir(parents=True, exist_ok=True)
        for log in logs.glob("*.log"):
            log.unlink()
        if shutil.which("podman") is None:
            raise MachineError(
                "expected podman, which knows how a container boots systemd, found none; install "
                "it (apt install podman)"
            )

    def build(self, base: str) -> None:
        """Build the image of a bare machine; ``BUILD_OPTIONS`` are options of ``podman build``.

        Parameters
        ----------
        base : str
            Image of a Debian or Ubuntu.
        """
        words = ["podman", "build", "-t", _IMAGE, "--build-arg", f"BASE={base}"]
        self._do([*words, *_options("BUILD_OPTIONS"), "-f", str(_RECIPE), str(_RECIPE.parent)])

    def start(self, machines: Sequence[str], mounts: Mapping[Path, str]) -> None:
        """Boot machines; ``RUN_OPTIONS`` are options of ``podman run``.

        Parameters
        ----------
        machines : Sequence[str]
            Their names.
        mounts : Mapping[Path, str]
            Folders here, and where all of them see these, with options.
        """
        self._do(["podman", "network", "create", "--label", _LABEL, _NAME])
        shared = [word for here, there in mounts.items() for word in ("-v", f"{here}:{there}")]
        for machine in machines:
            words = ["podman", "run", "-d", "--systemd=always", "--privileged", "--label", _LABEL]
            words += ["--name", _container(machine), "--hostname", machine]
            # On disk, as it is on a Debian: what pip downloads there does not fit into memory.
            words += ["--network", _NAME, "--network-alias", machine, "-v", "/tmp", *shared]  # noqa: S108
            self._do([*words, *_options("RUN_OPTIONS"), _IMAGE])
        for machine in machines:
            self._await_boot(machine)

    def restart(self, machine: str) -> None:
        """Shut a machine down and boot it again."""
        self._do(["podman", "restart", "-t", "60", _container(machine)])
        self._await_boot(machine)

    def follow(self, machine: str, text: str, folder: str = "~") -> str:
        """Do what a block tells, as a user who has logged in; return what was said.

        Parameters
        ----------
        machine : str
            Where.
        text : str
            The block.
        folder : str
            In which folder.

        Raises
        ------
        MachineError
            If a command fails.
        """
        return self._do(_as_user(machine, f"cd {folder} || exit\n{script(text)}"), machine)

    def ask(self, machine: str, command: str) -> str:
        """Return what a command writes to standard output alone.

        Raises
        ------
        MachineError
            If it fails.
        """
        done = subprocess.run(  # noqa: S603 - our own
            _as_user(machine, command), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise MachineError(f"{machine}: {command}: {_end(done.stdout + done.stderr)}")
        return done.stdout

    def put(self, machine: str, file: str, text: str) -> None:
        """Write a file of the user's."""
        self.ask(machine, f"mkdir -p $(dirname {file}) && printf %s {shlex.quote(text)} > {file}")

    def copy(self, folder: Path, machine: str, place: str) -> None:
        """Copy a folder from here, for everybody there to read."""
        self._do(["podman", "cp", str(folder), f"{_container(machine)}:{place}"])

    def down(self) -> None:
        """Remove all machines, with what they wrote, and their network.

        Raises
        ------
        MachineError
            If something is left.
        """
        left = self.left()
        if left["container"]:
            self._do(["podman", "rm", "-f", "-v", "-t", "0", *left["container"]])
        if left["network"]:
            self._do(["podman", "network", "rm", "-f", *left["network"]])
        if any(found := self.left().values()):
            raise MachineError(f"left behind: {list(found)}")

    @staticmethod
    def left() -> dict[str, list[str]]:
        """Return all containers, networks and volumes of the guide that there are, by kind."""
        every = {"container": ["-a"], "network": [], "volume": []}
        return {
            kind: _output(["podman", kind, "ls", *more, "-q", *_FILTER]).split()
            for kind, more in every.items()
        }

    def _await_boot(self, machine: str) -> None:
        until = time.monotonic() + _BOOT_S
        looking = ["podman", "exec", _container(machine), "systemctl", "is-active", "ssh"]
        while _output(looking).strip() != "active":
            if time.monotonic() > until:
                raise MachineError(f"{machine}: did not boot within {_BOOT_S:.0f} s")
            time.sleep(_POLL_S)

    def _do(self, words: Sequence[str], machine: str = _ENGINE) -> str:
        """Run a command and return what it said, which its log has as it is said."""
        path = self._logs / f"{machine}.log"
        with path.open("ab") as log:
            begin = log.tell()
            try:
                status = subprocess.run(  # noqa: S603 - our own
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=_LONGEST_S,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                status = -1
        with path.open("rb") as log:
            log.seek(begin)
            said = log.read().decode(errors="replace")
        if status:
            raise MachineError(
                f"{machine}: status {status}, after\n{_end(said)}\nall of it: {path}"
            )
        return said


def _as_user(machine: str, command: str) -> list[str]:
    return ["podman", "exec", "-i", _container(machine), "su", "-", USER, "-c", command]


def _container(machine: str) -> str:
    return f"{_NAME}-{machine}"


def _options(name: str) -> list[str]:
    return shlex.split(os.environ.get(name, ""))


def _end(said: str) -> str:
    # Of a line that was written over, what stood there last.
    lines = [line.rpartition("\r")[2] for line in said.strip().split("\n")]
    return "\n".join(lines[-_SHOWN:])


def _output(words: Sequence[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout  # noqa: S603 - our own
