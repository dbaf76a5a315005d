"""A federation in containers here: ``python -m local_federation.containers up|play|down``.

Docker with its compose plugin or podman-compose, whichever is there or ``COMPOSE`` names, runs
``docker/compose.yml``. Nothing but Python is needed beside it: what plays is in the images.
"""

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

ROOT: Final = Path(__file__).parent.parent
FILE: Final = ROOT / "docker" / "compose.yml"
PROJECT: Final = "nectar"
RUNS: Final = "/var/lib/nectar/runs"
_COPIES: Final = ROOT / "runs" / "compose"
# It is in every copy, and nowhere by chance.
_MARK: Final = ".federation/made-by-nectar"
# What is not for hosts: copies of the app, and Flower's home.
_LEFT_OUT: Final = (
    *("./.federation/runs/*/app", "./.federation/runs/*/flwr"),
    "./.federation/state",
)
_LABEL: Final = "nectar.made-from"
# Images, with the extras of the lab's data and methods. Most of a device's is a server's too.
IMAGES: Final = {"hub": "", "proxy": "", "device": "simulation", "server": "simulation"}
SERVICES: Final = (
    *("keys", "superlink", "register", "superexec", "proxy"),
    *(name for n in range(3) for name in (f"node-{n}", f"node-{n}-superexec")),
)
_INSTALL: Final = (
    "expected Docker with its compose plugin, or podman-compose, found neither; install one "
    "(docs.docker.com/engine/install, or apt install podman-compose), or name it by COMPOSE='...'"
)


class ContainerError(Exception):
    """There is no engine, or it did not do what it was asked for."""


@final
@dataclass(frozen=True)
class Lab:
    """The containers of ``docker/compose.yml``.

    Attributes
    ----------
    command : tuple[str, ...]
        What runs compose files, e.g. ``("docker", "compose")``.
    """

    command: tuple[str, ...]

    @property
    def engine(self) -> str:
        """The program that knows images and containers."""
        return "podman" if Path(self.command[0]).name.startswith("podman") else "docker"

    def compose(self, *words: str) -> list[str]:
        """Return a command line for all services; ``COMPOSE_FILE`` is heeded as Docker heeds it."""
        files = os.environ.get("COMPOSE_FILE", str(FILE)).split(os.pathsep)
        return [*self.command, "-p", PROJECT, *(w for f in files for w in ("-f", f)), *words]

    def inside(self, service: str, *words: str) -> list[str]:
        """Return a command line that runs something within a service that is up.

        The engine's own: podman-compose 1.0.3 writes what it does to where the answer is read.

        Raises
        ------
        ContainerError
            If the service is not up.
        """
        return [self.engine, "exec", "-i", self.container(service), *words]

    def container(self, service: str, *, stopped: bool = False) -> str:
        """Return the id of a service's container, which is up unless ``stopped`` allows others.

        Raises
        ------
        ContainerError
            If there is none.
        """
        labels = (f"project={PROJECT}", f"service={service}")
        filters = [w for own in labels for w in ("--filter", f"label=com.docker.compose.{own}")]
        every = ["-a"] if stopped else []
        found = _output([self.engine, "container", "ls", "-q", *every, *filters]).split()
        if not found:
            raise ContainerError(f"service {service} is not up; start it by make compose")
        return found[0]

    def build(self) -> None:
        """Build images that are missing, or were made from other files than those of now.

        Raises
        ------
        ContainerError
            If one cannot be built.
        """
        made_from = inputs_digest()
        for target, extras in IMAGES.items():
            if self._made_from(f"nectar-{target}") == made_from:
                continue
            size = ": gigabytes, and many minutes" if target == "device" else ""
            print(f"building nectar-{target}{size}", flush=True)
            words = [self.engine, "build", "-f", str(ROOT / "docker" / "Dockerfile")]
            words += ["--target", target, "-t", f"nectar-{target}"]
            words += ["--label", f"{_LABEL}={made_from}"]
            words += ["--build-arg", f"EXTRAS={extras}"] if extras else []
            # E.g. --build-arg TORCH_INDEX=..., or what a network asks for.
            words += [*shlex.split(os.environ.get("BUILD_OPTIONS", "")), str(ROOT)]
            _run(words, f"nectar-{target} could not be built")

    def up(self) -> None:
        """Start all services.

        Raises
        ------
        ContainerError
            If they cannot be started.
        """
        print(f"starting {len(SERVICES)} containers", flush=True)
        _run(self.compose("up", "-d", *SERVICES), "the containers did not start", quiet=True)

    def play(self, options: Sequence[str]) -> int:
        """Play on a lab that is up, and return the exit status of what plays."""
        # A terminal has bars that move.
        plain = () if sys.stdout.isatty() else ("-T",)
        words = self.compose("run", "--rm", "--no-deps", *plain, "run", *options)
        return subprocess.run(words, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603 - our own command line

    def copy_runs(self, folder: Path) -> Path | None:
        """Copy runs and their logs out of the lab, and return the newest report.

        Parameters
        ----------
        folder : Path
            Takes them; what an earlier copy of a run left there is replaced.

        Raises
        ------
        ContainerError
            If somebody else's files lie there, or nothing can be copied.
        """
        require_copies(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as part:
            left_out = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
            words = self.inside("superexec", "tar", "-C", RUNS, *left_out, "-cf", "-", ".")
            with subprocess.Popen(words, stdout=subprocess.PIPE) as sender:  # noqa: S603 - our own command line
                try:
                    with tarfile.open(fileobj=sender.stdout, mode="r|") as archive:
                        archive.extractall(part, filter="data")
                except tarfile.TarError as error:
                    raise ContainerError(f"the runs could not be copied: {error}") from None
            # The folder with the mark comes first, for whoever is ended meanwhile.
            for copied in sorted(Path(part).iterdir()):
                shutil.rmtree(folder / copied.name, ignore_errors=True)
                copied.rename(folder / copied.name)
        reports = sorted(folder.glob("*/report.html"), key=lambda file: file.stat().st_mtime)
        return reports[-1] if reports else None

    def down(self, *, keep: bool) -> None:
        """Remove all containers and networks.

        Parameters
        ----------
        keep : bool
            Whether keys, runs and private states stay, in their volumes.

        Raises
        ------
        ContainerError
            If something is left.
        """
        volumes = [] if keep else ["-v"]
        _run(self.compose("down", *volumes), "the containers did not end", quiet=True)
        # What compose files of other days, or runs that were interrupted, had beside.
        for kind, found in self.left().items():
            if found and not (keep and kind == "volume"):
                force = ["-f"] if kind != "network" else []
                _run([self.engine, kind, "rm", *force, *found], f"{kind}s are left", quiet=True)

    def left(self) -> dict[str, list[str]]:
        """Return all containers, networks and volumes of the lab that there are, by kind."""
        every: dict[str, list[str]] = {"container": ["-a"], "network": [], "volume": []}
        label = f"label=com.docker.compose.project={PROJECT}"
        return {
            kind: _output([self.engine, kind, "ls", *more, "-q", "--filter", label]).split()
            for kind, more in every.items()
        }

    def _made_from(self, image: str) -> str:
        told = _output([self.engine, "image", "inspect", image])
        try:
            return str(json.loads(told)[0]["Config"]["Labels"][_LABEL])
        except (ValueError, LookupError, TypeError):
            return ""


def require_copies(folder: Path) -> None:
    """Refuse a place for copies of runs at which somebody else's files lie.

    Raises
    ------
    ContainerError
        If they do.
    """
    if (folder / _MARK).is_file() or not os.path.lexists(folder):
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise ContainerError(
            f"{folder}: expected a folder of earlier copies, or none, found something else, "
            f"which is left alone; move it away"
        )


def image_inputs() -> list[Path]:
    """Return the files that images are made of, but pyproject.toml, of which a table counts."""
    files = [ROOT / "constraints.txt", ROOT / "constraints-device.txt"]
    files += [ROOT / "docker" / n for n in ("Dockerfile", "nginx.conf", "wanted.py", "when-ready")]
    for package in ("nectar_admin", "warm_worker"):
        files += sorted((ROOT / package).rglob("*.py"))
    return files


def inputs_digest() -> str:
    """Return a digest of all that images are made of."""
    digest = hashlib.sha256()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [project["dependencies"], project["optional-dependencies"]]
    digest.update(json.dumps(wanted).encode())
    for file in image_inputs():
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def find_lab() -> Lab:
    """Return the lab on whatever engine there is.

    Raises
    ------
    ContainerError
        If there is none.
    """
    if named := os.environ.get("COMPOSE"):
        words = tuple(shlex.split(named))
        if shutil.which(words[0]) is None:
            raise ContainerError(f"COMPOSE={named!r}: there is no program {words[0]}")
        return Lab(words)
    if _works("docker", "compose", "version"):
        if _works("docker", "info"):
            return Lab(("docker", "compose"))
        if not shutil.which("podman-compose"):
            raise ContainerError(
                "docker is installed, but its engine does not answer: `docker info` says why"
            )
    if shutil.which("podman-compose"):
        return Lab(("podman-compose",))
    raise ContainerError(_INSTALL)


def main() -> int:
    """Parse the command line, do what it asks for, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m local_federation.containers", description=__doc__
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, text in (
        ("up", "build what is missing and start everything"),
        ("play", "the same, then play; further options are those of `local_federation attach`"),
        ("down", "remove all containers, networks and volumes"),
    ):
        sub = kinds.add_parser(kind, help=text, description=text)
        if kind == "down":
            sub.add_argument("--keep", action="store_true", help="keep keys, runs and states")
        else:
            sub.add_argument("--no-build", action="store_true", help="take images as they are")
    arguments, options = parser.parse_known_args()
    if options and arguments.kind != "play":
        parser.error(f"unrecognized arguments: {shlex.join(options)}")
    try:
        lab = find_lab()
        if arguments.kind == "down":
            lab.down(keep=arguments.keep)
            return 0
        if arguments.kind == "play":
            require_copies(_COPIES)
        if not arguments.no_build:
            lab.build()
        lab.up()
        return _play(lab, options or ["--replace"]) if arguments.kind == "play" else 0
    except ContainerError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; containers that were started go on: end them by make compose-down")
        return 130


def _play(lab: Lab, options: Sequence[str]) -> int:
    status = lab.play(options)
    report = lab.copy_runs(_COPIES)
    if report and not status:
        print(f"report: {report}")
    print(f"logs: {shlex.join(lab.compose('logs', '-f', 'node-0-superexec'))}, or of any of")
    print(f"      {', '.join(SERVICES)}")
    print("end: make compose-down (KEEP=1 keeps keys, runs and states)")
    return status


def _works(*words: str) -> bool:
    return shutil.which(words[0]) is not None and not _quietly(words).returncode


def _quietly(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own command line


def _output(words: Sequence[str]) -> str:
    return _quietly(words).stdout


def _run(words: Sequence[str], failure: str, *, quiet: bool = False) -> None:
    """Run a command; one that is quiet tells what it said only if it failed."""
    if quiet:
        done = _quietly(words)
        said = f"{done.stdout}{done.stderr}".strip()
    else:
        done = subprocess.run(words, text=True, check=False)  # noqa: S603 - our own command line
        said = "see above"
    if done.returncode:
        raise ContainerError(f"{failure} (status {done.returncode} of {shlex.join(words)}): {said}")


if __name__ == "__main__":
    sys.exit(main())
