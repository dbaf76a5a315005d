"""Tell what one client costs this device: ``python -m client_app.profile``.

Memory, floating-point operations, traffic and time of MocoSFL's step are measured in a fresh
process on the CPU, with images of noise and without a server; with ``--method local`` and others
whose clients have models of their own, those of a whole round of that method. Settings that are
not given are the app's own. The last line says whether the client fits into the memory there is.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from client_app import reader
from client_app.profiling import message_command, options, planner
from client_app.profiling.figures import DeviceFigures, Workload
from client_app.reader import Printer
from strategies.common.errors import NectarError, SettingsError
from strategies.common.inputs import Images
from strategies.common.run_config import default_config, read_table
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.common.typed_once import CommandLine

_ROOT = Path(__file__).parents[1]
_NETWORK = {
    "network": "resnet18, vgg11 or mobilenetv2",
    "width": "channels of the first stage",
    "cut": "modules on the device, counted from the stem",
    "bottleneck": "convolutions at the cut, e.g. C4S2; empty for none",
    "codec": "how activations travel: float32, float16 or uint8",
    "gradient-codec": "how gradients travel: float32 or float16",
}
_MIB = 2**20
_MOST = 1_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell and return the exit status: 0, or 1 if there is nothing to tell.

    Parameters
    ----------
    arguments : Sequence[str] | None
        The command line; ``None`` takes the process's own.
    """
    asked = _parser().parse_args(arguments)
    try:
        options.refuse_unread(asked)
        if asked.method:
            message_command.tell(asked, run_apart)
        else:
            _tell_step(asked)
        sys.stdout.flush()
    except BrokenPipeError:
        reader.forget()
    except NectarError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _tell_step(asked: argparse.Namespace) -> None:
    """Measure the step of a split method, and print it."""
    limit = planner.limit(asked.memory)
    work = _workload(asked)
    figures = measure_apart(work)
    if asked.json:
        sys.stdout.write(f"{figures.to_json()}\n")
        return

    def peak(batch: int) -> int:
        return measure_apart(replace(work, batch=batch)).peak_bytes

    found = planner.verdict(limit, work.batch, figures.peak_bytes, peak, smallest=1)
    console = Printer()
    console.print(_table(figures, work))
    console.print(planner.line(found, work.batch, figures.peak_bytes, limit), soft_wrap=True)


def measure_apart(workload: Workload) -> DeviceFigures:
    """Measure one logical client in a fresh process.

    Raises
    ------
    SettingsError
        If the process ends without figures, with what it says of the reason.
    """
    return DeviceFigures.from_json(run_apart(workload.to_json(), workload.threads))


def run_apart(workload: str, threads: int) -> str:
    """Return the figures of a workload, both as JSON.

    Raises
    ------
    SettingsError
        As of :func:`measure_apart`.
    """
    answer = subprocess.run(
        [sys.executable, "-m", "client_app.profiling"],
        input=workload,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **_importing_alike(), "OMP_NUM_THREADS": str(threads)},
    )
    if answer.returncode < 0:
        raise SettingsError(
            f"profile: expected figures, got signal {-answer.returncode} in the measuring "
            f"process; where memory is short, a smaller batch, width or cut helps"
        )
    if answer.returncode > 0:
        raise SettingsError(answer.stderr.strip() or "profile: the measuring process failed")
    return answer.stdout


def _importing_alike() -> dict[str, str]:
    """Return what lets a process import what this one does, wherever it was started.

    It works where the command was called, since files that are named from there are read there.
    Nectar's code is this process's own, whatever lies in that folder.
    """
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join((str(_ROOT), *sys.path))}


def _workload(asked: argparse.Namespace) -> Workload:
    side = options.number(asked, "image")
    given = {key: getattr(asked, key.replace("-", "_")) for key in _NETWORK}
    chosen = {f"split.{key}": value for key, value in given.items() if value is not None}
    return Workload(
        settings=read_table({**default_config(), **chosen}, "split", SplitSettings),
        # A network is cut in the same way whatever the number of classes.
        task=Task(1, Images(options.number(asked, "channels"), side, side), 0),
        batch=asked.batch or 1,
        steps=options.number(asked, "steps"),
        frozen=asked.frozen,
        threads=options.number(asked, "threads"),
    )


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(prog="python -m client_app.profile", description=__doc__)
    defaults = default_config()
    for key, text in _NETWORK.items():
        default = defaults[f"split.{key}"]
        shown = f"{text} (default: {default if default != '' else 'none'})"
        parser.add_argument(f"--{key}", type=type(default), help=shown)
    for key, text in (
        ("image", "side of an image in pixels"),
        ("channels", "channels of an image"),
        ("steps", "steps to time"),
        ("threads", "torch threads"),
    ):
        shown = f"{text} (default: {options.DEFAULTS[key]})"
        parser.add_argument(f"--{key}", type=_positive, metavar="N", help=shown)
    parser.add_argument(
        "--frozen", action="store_true", help="the client's model does not learn, as in TAResSFL"
    )
    parser.add_argument(
        "--batch",
        type=_positive,
        metavar="N",
        help="samples per step (default: 1; of a round, the setting batch-size)",
    )
    message_command.add_options(parser, _positive)
    parser.add_argument("--json", action="store_true", help="write the figures as JSON")
    return parser


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {_MOST}, got {text!r}")
    return number


def _table(figures: DeviceFigures, work: Workload) -> Table:
    """Lay figures out for people; units are decimal for operations, binary for memory."""
    model = f"{figures.front}{', frozen' if work.frozen else ''}"
    images = " x ".join(map(str, (work.batch, *work.task.inputs.shape)))
    table = Table(title=f"One client: {model}; {images} per step", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("what it is")
    for name, value, meaning in (
        ("parameters", f"{figures.parameters:,}", "weights of the client's model"),
        ("peak memory", f"{figures.extra_bytes / _MIB:.1f} MiB", "above the idle process"),
        ("  in total", f"{figures.peak_bytes / _MIB:.0f} MiB", "with Python and libraries"),
        ("operations", f"{figures.flops / 1e6:,.1f} MFLOP", "per step, of convolutions"),
        ("  forward", f"{figures.online_flops / 1e6:,.1f} MFLOP", "first view"),
        ("  backward", f"{figures.backward_flops / 1e6:,.1f} MFLOP", "from the gradient"),
        ("  momentum", f"{figures.momentum_flops / 1e6:,.1f} MFLOP", "second view, forward"),
        ("up", f"{figures.bytes_up:,} B", "per step, without headers"),
        ("down", f"{figures.bytes_down:,} B", "per step, without headers"),
        (
            "weights",
            f"{0 if work.frozen else figures.model_bytes:,} B",
            "each way per synchronisation, float32",
        ),
        ("time", f"{figures.median_ms:.2f} ms", "per step, median; device alone"),
        ("  slowest tenth", f"{figures.p90_ms:.2f} ms", "and more"),
    ):
        table.add_row(name, value, meaning)
    return table


if __name__ == "__main__":
    sys.exit(main())
