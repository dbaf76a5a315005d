"""What a device's libraries take on its disk, by distribution and in all.

Without ``--machine`` an environment is made here as ``systemd/install.sh`` makes it, by venv and
pip. With it, the wheels for that machine are unpacked into a folder and their byte code is
compiled, as pip would do there; nothing of it is run, so that the size on an ARM board can be told
without one. Exits with 1 beyond ``--limit`` gigabytes (of 10**9 bytes). Needs the network.

Run with ``python -m benchmarks.install_size [--machine aarch64] [--extras simulation]``.
"""

import argparse
import platform
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

_ROOT: Final = Path(__file__).parent.parent
_GIGABYTE: Final = 1e9
_MEGABYTE: Final = 1e6
# Wheels for systems from glibc 2.28 on: Debian 10, Ubuntu 20.04 and later.
_PLATFORMS: Final = {
    "aarch64": "aarch64-manylinux_2_28",
    "x86_64": "x86_64-manylinux_2_28",
}
# Smaller ones are summed up.
_SHOWN: Final = 5 * _MEGABYTE


def main() -> int:
    """Install, measure and print; return the exit status."""
    asked = _parser().parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(dir=asked.folder) as temporary:
        folder = Path(temporary)
        if asked.machine:
            place = unpacked(folder, asked.machine, asked.constraints, asked.extras)
        else:
            place = installed(folder, asked.constraints, asked.extras)
        told = sizes(place)
        total = bytes_in(folder)
    table = Table("distribution", "version", "MB")
    for name, (version, size) in sorted(told.items(), key=lambda item: -item[1][1]):
        if size >= _SHOWN:
            table.add_row(name, version, f"{size / _MEGABYTE:.0f}")
    small = [size for _, size in told.values() if size < _SHOWN]
    rest = total - sum(size for _, size in told.values())
    table.add_row(f"{len(small)} smaller ones", "", f"{sum(small) / _MEGABYTE:.0f}")
    table.add_row("files of no distribution", "", f"{rest / _MEGABYTE:.0f}")
    console.print(table)
    machine = asked.machine or platform.machine()
    console.print(
        f"a device on {machine} with {asked.constraints.name}: {len(told)} distributions, "
        f"{total / _GIGABYTE:.2f} GB (at most {asked.limit:g})",
        soft_wrap=True,
    )
    return int(total > asked.limit * _GIGABYTE)


def installed(folder: Path, constraints: Path, extras: list[str]) -> Path:
    """Make an environment for this machine, and return the folder with its distributions."""
    environment = folder / "environment"
    _run([sys.executable, "-m", "venv", str(environment)])
    pip = [str(environment / "bin" / "pip"), "install", "--quiet", "--no-cache-dir"]
    _run([*pip, "--constraint", str(constraints), *requirements(extras)])
    base = {"base": str(environment), "platbase": str(environment)}
    return Path(sysconfig.get_path("purelib", "venv", base))


def unpacked(folder: Path, machine: str, constraints: Path, extras: list[str]) -> Path:
    """Unpack the wheels for another machine, compile them, and return their folder."""
    place = folder / "wheels"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-cache", "--no-config"]
    uv += ["--target", str(place), "--link-mode", "copy", "--only-binary", ":all:"]
    uv += ["--python-platform", _PLATFORMS[machine], "--python-version", version]
    # As every environment has them.
    installers = ("pip", "setuptools")
    _run([*uv, "--constraint", str(constraints), *requirements(extras), *installers])
    # A file for another Python, in some test of a library's, does not matter.
    compile_all = [sys.executable, "-m", "compileall", "-q", "-q", str(place)]
    subprocess.run(compile_all, check=False)  # noqa: S603 - our own
    return place


def requirements(extras: list[str]) -> list[str]:
    """Return what a device needs, with the extras that are asked for."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    more = project["optional-dependencies"]
    return [*project["dependencies"], *(line for extra in extras for line in more[extra])]


def sizes(place: Path) -> dict[str, tuple[str, int]]:
    """Return version and bytes of the distributions in a folder, by name, with byte code."""
    found = {}
    for one in distributions(path=[str(place)]):
        files = {path.resolve() for path in _files(one)}
        found[str(one.metadata["Name"])] = (one.version, sum(_bytes(path) for path in files))
    return found


def bytes_in(folder: Path) -> int:
    """Return the bytes of all files below a folder; links count nothing."""
    return sum(_bytes(path) for path in folder.rglob("*"))


def _files(one: Distribution) -> Iterator[Path]:
    for listed in one.files or ():
        path = Path(str(one.locate_file(listed)))
        yield path
        if path.suffix == ".py":
            # Not every installer lists what it has compiled.
            yield from (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() and not path.is_symlink() else 0


def _run(words: list[str]) -> None:
    done = subprocess.run(words, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise SystemExit(f"{words[0]} ended with status {done.returncode}; its words stand above")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.install_size",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "--machine", choices=_PLATFORMS, help="another machine than this; nothing is run"
    )
    parser.add_argument(
        "--constraints",
        type=Path,
        default=_ROOT / "constraints-device.txt",
        help="versions (constraints-device.txt)",
    )
    parser.add_argument("--extras", nargs="+", default=[], help="of pyproject.toml")
    parser.add_argument("--limit", type=float, default=1.1, help="gigabytes (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where there is room for it (the usual one)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
