"""What a device needs of itself: Python, room, a folder for its state, time and memory to start."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Final

from nectar_admin.doctor.finding import Finding, fault, good, noted

_OLDEST, _NEWEST = (3, 11), (3, 14)
# Two states of a run, prepared data and a bundle fit into this for all but the largest models.
_ROOM: Final = 1 << 30
# After so long without a sign of life Flower gives a message to another process.
LATEST_START_S: Final = 30.0
_MEGABYTE = 1e6
_CUDA = ("nvidia-", "cuda-", "triton")
# Boards, on whose cards gigabytes are dear.
_BOARDS = ("aarch64", "arm64", "armv7l")
_GPUS = ("/dev/nvidia0", "/dev/nvhost-gpu", "/dev/nvgpu", "/dev/dxg")

# What the app's process does before it can compute, told as seconds and bytes.
_PROBE = """
import json, resource, time
begin = time.process_time(), time.monotonic()
import torch, torchvision, flwr.clientapp
print(json.dumps({
    "cpu_s": time.process_time() - begin[0], "wall_s": time.monotonic() - begin[1],
    "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "cuda": torch.version.cuda, "gpu": torch.cuda.is_available(), "torch": torch.__version__,
}))
"""


def python() -> Finding:
    """Look at the interpreter."""
    here = sys.version_info
    if _OLDEST <= here[:2] < _NEWEST:
        return good("python", sys.version.split()[0])
    return fault(
        "python", f"expected 3.11 to 3.13, got {sys.version.split()[0]}", "install another Python"
    )


def state(folder: Path) -> list[Finding]:
    """Look whether the folder that keeps the device's state can be written, and has room."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    found = [_writable(folder, place)]
    free = shutil.disk_usage(place).free
    if free < _ROOM:
        found.append(
            fault(
                "disk",
                f"{free / _MEGABYTE:.0f} MB are free at {place}, expected {_ROOM / _MEGABYTE:.0f} "
                "MB at least",
                "make room, or put state-dir on another disk; states of runs that are over may be "
                "deleted: <state-dir>/<run-name>",
            )
        )
    else:
        found.append(good("disk", f"{free / 1e9:.1f} GB are free at {place}"))
    return found


def _writable(folder: Path, place: Path) -> Finding:
    try:
        if not place.is_dir():
            raise NotADirectoryError(0, "it is no folder")
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return fault(
            "state-dir",
            f"{folder} cannot be written by user {os.geteuid()} ({error.strerror})",
            "chown it to the user that runs the device's services, or name another state-dir in "
            "the node config; look again as that user (sudo -u nectar)",
        )
    return good("state-dir", f"{folder} can be written")


def start() -> list[Finding]:
    """Start what the app's process starts with, and look at time, memory and GPU."""
    begun = time.monotonic()
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - begun
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it was killed"])[-1]
        return [
            fault(
                "start",
                f"the client half's libraries cannot be imported ({last})",
                "install with the constraints: pip install --constraint constraints.txt . "
                "(killed: too little memory)",
            )
        ]
    told = json.loads(done.stdout)
    return [_time(seconds, told["bytes"]), torch_build(told["cuda"], is_there=told["gpu"])]


def _time(seconds: float, memory: int) -> Finding:
    said = f"{seconds:.1f} s and {memory / _MEGABYTE:.0f} MB to import what every app needs"
    if seconds > LATEST_START_S / 2:
        return fault(
            "start",
            f"{said}; after {LATEST_START_S:.0f} s Flower gives the message to another process, "
            "and both are slower",
            "use an SSD or a fast card, python -m compileall on the environment, and python -m "
            "warm_worker for the SuperExec",
        )
    return good("start", said)


def torch_build(cuda: str | None, *, is_there: bool) -> Finding:
    """Look at which torch is installed, for which hardware.

    Parameters
    ----------
    cuda : str | None
        Version of CUDA that torch was built for, or ``None``.
    is_there : bool
        Whether torch can use a GPU of this machine.
    """
    here = version("torch")
    if is_there:
        return good("torch", f"{here}, with a GPU that it can use")
    if any(Path(device).exists() for device in _GPUS):
        return fault(
            "torch",
            f"{here} does not use the GPU that this machine has",
            "a Jetson needs NVIDIA's own torch for its JetPack; elsewhere look at nvidia-smi, and "
            "at PrivateDevices= of the service",
        )
    if cuda:
        told = (
            f"{here} brings CUDA {cuda} ({_cuda_bytes() / 1e9:.1f} GB), and this machine has no "
            "NVIDIA GPU"
        )
        cure = (
            "take torch from the index of CPU wheels (--torch-index of systemd/install.sh), or on "
            "ARM the versions of constraints-device.txt: nothing of CUDA is then installed"
        )
        if platform.machine() in _BOARDS:
            return fault("torch", told, cure)
        return noted("torch", f"{told}; it works, and takes room", cure)
    return good("torch", f"{here}, for the CPU")


def _cuda_bytes() -> int:
    """Return what libraries of CUDA take on this disk."""
    return sum(
        file.size or 0
        for installed in distributions()
        if (installed.name or "").lower().startswith(_CUDA)
        for file in installed.files or ()
    )
