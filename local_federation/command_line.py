"""Run federations on this machine: ``python -m local_federation demo|simulate|compare|...``."""

import argparse
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from local_federation import adapter_demo
from local_federation.adapter_demo import ADAPTER_CLIENTS
from local_federation.baselines import baseline_of
from local_federation.campaign import Campaign, Carrier
from local_federation.compare import command
from local_federation.descendants import end_descendants, keep_orphans
from local_federation.engine.resources import Resources
from local_federation.engine.start import StartEngine
from local_federation.host import LocalFederationError, Standing
from local_federation.own_defaults import typed_over
from local_federation.split_demo import SPLIT_NODES, SPLIT_SETTINGS, alone_beside
from local_federation.split_demo import check as check_split
from local_federation.stopping import Stop, command_to_go_on, heeding_signals, say_last
from server_app.progress import format_duration
from strategies.common.errors import NectarError, SettingsError
from strategies.common.settings_changes import read_changes
from strategies.common.typed_once import CommandLine
from strategies.methods import METHODS, adapts, display_name

_ROOT = Path(__file__).parent.parent

# Small enough for two cores and two minutes, large enough that every client learns.
_DEMO: dict[str, bool | int | float | str] = {
    "rounds": 12,
    "learning-rate": 0.02,
    "device": "cpu",
    "server-device": "cpu",
}
_DEMO_CLIENTS = 5
_MOST_GPUS = 64
_LARGEST_PORT = 65_535
# All that is left of a command has ended by then, or is named.
_END_S = 8.0
# What options say is no setting of a command; a demo says the first two itself.
_DECIDED = {
    "method": "--method says it",
    "run-name": "--name says it",
    "runs-dir": "--folder says it",
    "state-dir": "states lie beside the runs, in --folder",
    "min-nodes": "--clients says it",
    "compare-with": "the baseline is played beside and compared with",
}
_DEMOS = ("demo", "demo-split", "demo-adapters")
_DEPLOYED: dict[str, bool | int | float | str] = {
    "data": "digits",
    "models": "cnn,resnet4,resnet6",
    "rounds": 3,
    "device": "cpu",
}
# What differs from pyproject.toml's defaults; a simulation plays those, but for adapters.
_DEFAULTS = {"demo": _DEMO, "deploy": _DEPLOYED, "attach": _DEPLOYED}
# Clients are nodes, not simulated.
_WITH_NODES = ("deploy", "attach")


def main(start_engine: StartEngine) -> int:
    """Parse the command line, play, and return the exit status.

    Parameters
    ----------
    start_engine : StartEngine
        Starts the engine for runs that it carries.
    """
    arguments = _parser().parse_args()
    console = Console()
    keep_orphans()
    begun: list[bool] = []
    with heeding_signals() as heard:
        try:
            started = time.monotonic()
            _play(arguments, start_engine, console, lambda: begun.append(True))
            console.print(f"done in {format_duration(time.monotonic() - started)}")
        except BaseException as error:
            # A closed terminal, or a process that was asked too, raises something of its own.
            stop = heard.stop or (isinstance(error, KeyboardInterrupt) and Stop(signal.SIGINT))
            if stop:
                return _end(stop, begun=bool(begun))
            if not isinstance(error, LocalFederationError | NectarError | OSError):
                raise
            told = escape(" ".join(str(error).split("\n")))
            console.print(f"[bold red]failed:[/] {told}", highlight=False, soft_wrap=True)
            return 1
    return 0


def _end(stop: Stop, *, begun: bool) -> int:
    """End all that was started, say how to go on, and return the exit status."""
    said = "stopped: everything that was started has been ended. To go on:"
    if left := end_descendants(_END_S):
        told = ", ".join(f"{name} ({pid})" for pid, name in left.items())
        said = f"stopped, but these processes do not end: {told}"
    # A comparison is never told that it has begun: it goes on by itself.
    say_last(said, command_to_go_on(by_setting=begun))
    return stop.exit_status


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(prog="python -m local_federation", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, clients, text in (
        ("demo", _DEMO_CLIENTS, "FedKTL and Local on five unlike models, simulated"),
        ("demo-split", SPLIT_NODES, "MocoSFL on 20 clients that hold two shards each, simulated"),
        (
            "demo-adapters",
            ADAPTER_CLIENTS,
            "FedDAT on five clients that ask about digits, simulated",
        ),
        ("simulate", 5, "one method, clients simulated on this machine or by Ray"),
        ("deploy", 3, "one method, a SuperLink and SuperNodes as separate processes"),
        ("attach", 3, "one method, on a SuperLink and SuperNodes that run already"),
    ):
        sub = kinds.add_parser(kind, help=text, description=text)
        sub.add_argument(
            "--clients", type=_from_one, default=clients, metavar="N", help="clients (%(default)s)"
        )
        sub.add_argument("--folder", type=Path, default=_ROOT / "runs", help="takes runs and logs")
        sub.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="a setting as TOML, e.g. rounds=5 or 'models=\"cnn,resnet8\"'; repeatable",
        )
        if kind not in _WITH_NODES:
            _add_resources(sub)
        if kind == "attach":
            _add_standing(sub)
        if kind not in _DEMOS:
            sub.add_argument("--method", choices=list(METHODS), default="fedktl")
            sub.add_argument("--name", help="name of the run (the method)")
            sub.add_argument(
                "--replace",
                action="store_true",
                help="play a run of that name anew, if one is there",
            )
    text = command.HELP
    comparing = kinds.add_parser("compare", help=text, description=text, epilog=command.EPILOG)
    command.add_arguments(comparing, _ROOT / "runs")
    _add_workers(comparing)
    return parser


def _add_standing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--superlink",
        type=_address,
        required=True,
        metavar="HOST:PORT",
        help="its address, which must never be reachable from outside",
    )
    parser.add_argument(
        "--root-certificates",
        type=Path,
        metavar="FILE",
        help="what its certificate is checked with; without it, no TLS",
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= _LARGEST_PORT:
        raise argparse.ArgumentTypeError(
            f"expected HOST:PORT, such as 127.0.0.1:8000, got {text!r}"
        )
    return host, int(port)


def _add_resources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="what carries the clients: processes of this machine, or Ray, which a cluster may "
        "have; the numbers are the same (%(default)s)",
    )
    _add_workers(parser)


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=command.number_or_auto,
        default=0,
        metavar="N|auto",
        help="clients at work at once (auto: as many as there are cores)",
    )
    parser.add_argument(
        "--gpus-per-client",
        type=_part_of_a_gpu,
        default=0.0,
        metavar="G",
        help="GPUs, or part of one, that a client at work has; 0 lets each see all (%(default)s)",
    )


def _from_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text!r}")
    return int(text)


def _part_of_a_gpu(text: str) -> float:
    try:
        part = float(text)
    except ValueError:
        part = -1.0
    if not 0 <= part <= _MOST_GPUS or not (part <= 1 or part.is_integer()):
        raise argparse.ArgumentTypeError(
            f"expected a part of a GPU in [0, 1] or a whole number of GPUs, got {text!r}"
        )
    return part


def _carrier(arguments: argparse.Namespace) -> Carrier:
    if arguments.kind in _WITH_NODES:
        return "nodes"
    return "ray" if arguments.engine == "ray" else "engine"


def _standing(arguments: argparse.Namespace) -> Standing | None:
    if arguments.kind != "attach":
        return None
    certificates: Path | None = arguments.root_certificates
    if certificates and not certificates.is_file():
        raise LocalFederationError(
            f"--root-certificates {certificates}: expected the file of a CA, e.g. ca.crt, "
            f"found none"
        )
    host, port = arguments.superlink
    return Standing(host, port, certificates)


def _resources(arguments: argparse.Namespace) -> Resources:
    if arguments.kind in _WITH_NODES:
        return Resources()
    return Resources(arguments.workers, arguments.gpus_per_client)


def _play(
    arguments: argparse.Namespace,
    start_engine: StartEngine,
    console: Console,
    begun: Callable[[], None],
) -> None:
    if arguments.kind == "compare":
        command.play(arguments, _resources(arguments), start_engine, console)
        return
    overrides = read_changes(arguments.set)
    _refuse_decided(overrides, demo=arguments.kind in _DEMOS)
    # What a demo plays is its own, so that its runs may be played anew.
    replaces = arguments.kind in _DEMOS and not overrides.get("resume")
    campaign = Campaign(
        folder=arguments.folder.resolve(),
        num_clients=arguments.clients,
        carrier=_carrier(arguments),
        settings=overrides,
        resources=_resources(arguments),
        start_engine=start_engine,
        replace=replaces if arguments.kind in _DEMOS else arguments.replace,
        begun=begun,
        standing=_standing(arguments),
    )
    if arguments.kind == "demo-split":
        _play_split(campaign, console)
    elif arguments.kind == "demo-adapters":
        run_dir = adapter_demo.play(campaign, console)
        console.print(f"report: {run_dir / 'report.html'}", soft_wrap=True)
    else:
        _play_method(arguments, campaign, console)


def _refuse_decided(overrides: Mapping[str, bool | int | float | str], *, demo: bool) -> None:
    for key, why in _DECIDED.items():
        if key in overrides:
            told = "a demo says it itself" if demo and key in ("method", "run-name") else why
            raise SettingsError(f"--set {key}: expected none, got {overrides[key]!r}; {told}")


def _play_method(arguments: argparse.Namespace, asked: Campaign, console: Console) -> None:
    overrides = asked.settings
    demo = arguments.kind == "demo"
    method = "fedktl" if demo else arguments.method
    what: str = arguments.kind
    defaults: Mapping[str, bool | int | float | str] = _DEFAULTS.get(what, {})
    name = "demo" if demo else arguments.name or method
    baseline = baseline_of(method)
    beside = f"{name}-local" if baseline else None
    runs: dict[str, dict[str, bool | int | float | str]] = {}
    if baseline and beside:
        runs[beside] = dict(baseline)
    runs[name] = {"method": method, "compare-with": beside or ""}
    asked.check(runs)
    if adapts(method):
        what, defaults = "adapters", adapter_demo.defaults(asked.folder, overrides, console)
    campaign = replace(asked, settings=typed_over(what, defaults, overrides, console))
    console.print(f"{display_name(method)}: {asked.num_clients} clients, {arguments.kind}")
    campaign.play(runs, console)
    campaign.show(name, beside, console)


def _play_split(asked: Campaign, console: Console) -> None:
    settings = typed_over("demo-split", SPLIT_SETTINGS, asked.settings, console)
    check_split(settings)
    campaign = replace(asked, settings=settings)
    carried = settings["clients-per-node"]
    console.print(f"MocoSFL: {asked.num_clients} nodes with {carried} clients each, simulated")
    name = "demo-split"
    campaign.play({name: {"method": "mocosfl"}}, console)
    alone_beside(campaign.folder / name, settings, asked.num_clients, console)
    campaign.show(name, None, console)
