"""Containers beside those of the lab, each made like one of them.

The lab's compose file stays as it is for everybody; and podman-compose 1.0.3 starts no single
service under another command.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, final

from benchmarks.containers.failure import CheckError
from local_federation.containers import PROJECT, Lab

_PROJECT: Final = f"com.docker.compose.project={PROJECT}"
_STATE: Final = "/var/lib/nectar"
_TMP: Final = "/tmp:rw,exec,nosuid,nodev,mode=1777"  # noqa: S108 - a container's own
_NONE: Final[Mapping[str, str]] = {}


@final
class Twins:
    """All that were started, so that none is left.

    Parameters
    ----------
    lab : Lab
        Whose containers they are like.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._names: list[str] = []

    def start(
        self,
        service: str,
        like: str,
        *,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str] = _NONE,
        hosts: Mapping[str, str] = _NONE,
        fresh: bool = False,
    ) -> None:
        """Start one as a service of the lab, on the network and with the volumes of another.

        Parameters
        ----------
        service : str
            What it is, and is called by others.
        like : str
            The service that it is like; its container may have stopped.
        command : Sequence[str] | None
            What it runs instead.
        environment : Mapping[str, str]
            What its command is told, all of it.
        hosts : Mapping[str, str]
            Addresses of names that it is to find elsewhere.
        fresh : bool
            Whether it keeps its state in a new volume instead of the other's.

        Raises
        ------
        CheckError
            If it does not start.
        """
        told = self.inspect(like)
        name = f"{PROJECT}-twin-{service}"
        words = ["run", "-d", "--name", name, "--restart", "always", "--network-alias", service]
        words += [w for key, value in (environment or {}).items() for w in ("-e", f"{key}={value}")]
        words += [
            w for key, value in (hosts or {}).items() for w in ("--add-host", f"{key}:{value}")
        ]
        if fresh:
            # What is labelled goes with the lab.
            self._engine(["volume", "create", "--label", _PROJECT, f"{PROJECT}_{service}"])
            words += ["-v", f"{PROJECT}_{service}:{_STATE}"]
        self._names.append(name)
        self._engine([*words, *_like(told, service, fresh=fresh), *(command or command_of(told))])

    def once(self, like: str, *command: str) -> str:
        """Run a command in a container like another and return what it printed.

        Raises
        ------
        CheckError
            If it fails.
        """
        told = self.inspect(like)
        return self._engine(["run", "--rm", *_like(told, "once", fresh=False), *command])

    def remove(self, *services: str) -> None:
        """Remove some that were started."""
        self._remove([f"{PROJECT}-twin-{service}" for service in services])

    def remove_all(self) -> None:
        """Remove all that are left."""
        self._remove(self._names)

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        found = self._engine(["container", "inspect", self._lab.container(service, stopped=True)])
        return dict(json.loads(found)[0])

    def address(self, service: str) -> str:
        """Return the address of a service that is on one network."""
        (network,) = self.inspect(service)["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    def stop(self, service: str) -> str:
        """Stop a service of the lab's own, as its owner would, and return its container."""
        container = self._lab.container(service)
        self._engine(["stop", "-t", "10", container])
        return container

    def start_again(self, containers: Iterable[str]) -> None:
        """Start what was stopped."""
        for container in containers:
            self._engine(["start", container])

    def _remove(self, names: Sequence[str]) -> None:
        for name in list(names):
            self._engine(["container", "rm", "-f", name])
            self._names.remove(name)

    def _engine(self, words: Sequence[str]) -> str:
        every = [self._lab.engine, *words]
        done = subprocess.run(every, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        if done.returncode:
            raise CheckError(f"{' '.join(every[:8])}...: {done.stderr or done.stdout}".strip())
        return done.stdout


def command_of(told: Mapping[str, Any]) -> list[str]:
    """Return the command of a container, as an engine tells of it."""
    return [str(word) for word in told["Config"]["Cmd"]]


def _like(told: Mapping[str, Any], service: str, *, fresh: bool) -> list[str]:
    """Return options and image of a container that can do as little as another."""
    words = ["--label", _PROJECT]
    words += ["--label", f"com.docker.compose.service={service}"]
    words += ["--network", next(iter(told["NetworkSettings"]["Networks"]))]
    words += ["--init", "--read-only", "--tmpfs", _TMP, "--cap-drop", "ALL"]
    words += ["--security-opt", "no-new-privileges:true"]
    for mount in told["Mounts"]:
        place = mount["Destination"]
        if mount["Type"] == "volume" and not (fresh and place == _STATE):
            words += ["-v", f"{mount['Name']}:{place}:{'rw' if mount['RW'] else 'ro'}"]
    return [*words, str(told["Config"]["Image"])]
