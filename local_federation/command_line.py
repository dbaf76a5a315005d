"""Run federations on this machine: ``python -m local_federation demo|simulate|compare|...``."""

import argparse
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from local_federation import adapter_demo, options
from local_federation.baselines import baseline_of
from local_federation.campaign import Campaign, Carrier, resumes
from local_federation.compare import command
from local_federation.demo import DEMO, TEXT_DEMO
from local_federation.descendants import end_descendants, keep_orphans
from local_federation.engine.resources import Resources
from local_federation.engine.start import StartEngine
from local_federation.host import LocalFederationError, Standing
from local_federation.own_defaults import typed_over
from local_federation.split_demo import SPLIT_SETTINGS, alone_beside
from local_federation.split_demo import check as check_split
from local_federation.stopping import Heard, Stop, command_to_go_on, heeding_signals, say_last
from server_app.progress import format_duration
from strategies.common.errors import NectarError, SettingsError
from strategies.common.home import expanded
from strategies.common.settings_changes import read_changes
from strategies.methods import adapts, display_name

# All that is left of a command has ended by then, or is named. Its run, nodes and SuperLink were
# asked one after another before, and all that has to be within 15 s however slow a machine is.
END_S = 7.0
# What options say is no setting of a command; a demo says the first two itself.
_DECIDED = {
    "method": "--method says it",
    "run-name": "--name says it",
    "runs-dir": "--folder says it",
    "state-dir": "states lie beside the runs, in --folder",
    "min-nodes": "--clients says it",
    "compare-with": "the baseline is played beside and compared with",
}
_DEPLOYED: dict[str, bool | int | float | str] = {
    "data": "digits",
    "models": "cnn,resnet4,resnet6",
    "rounds": 3,
    "device": "cpu",
}
_DEMOS = {one.name: one for one in (DEMO, TEXT_DEMO)}
# What differs from pyproject.toml's defaults; a simulation plays those, but for adapters.
_DEFAULTS = {"deploy": _DEPLOYED, "attach": _DEPLOYED}


def main(start_engine: StartEngine) -> int:
    """Parse the command line, play, and return the exit status.

    Parameters
    ----------
    start_engine : StartEngine
        Starts the engine for runs that it carries.
    """
    arguments = options.parser().parse_args()
    # Paths are told as they are: "folder:x:" holds no emoji.
    console = Console(emoji=False)
    keep_orphans()
    begun: list[bool] = []
    with heeding_signals() as heard:
        try:
            return _ended(arguments, start_engine, console, heard, lambda: begun.append(True))
        except BaseException as error:
            # A closed terminal, or a process that was asked too, raises something of its own.
            stop = heard.stop or (isinstance(error, KeyboardInterrupt) and Stop(signal.SIGINT))
            if stop:
                return _end(stop, begun=bool(begun))
            _leave_nothing(console)
            raise


def _ended(
    arguments: argparse.Namespace,
    start_engine: StartEngine,
    console: Console,
    heard: Heard,
    begun: Callable[[], None],
) -> int:
    """Play, say how it ended, and return the exit status."""
    started, status = time.monotonic(), 0
    try:
        _play(arguments, start_engine, console, begun)
    except (LocalFederationError, NectarError, OSError) as error:
        if heard.stop:
            raise
        told, status = f"[bold red]failed:[/] {escape(' '.join(str(error).splitlines()))}", 1
    _leave_nothing(console)
    if not status:
        told = f"done in {format_duration(time.monotonic() - started)}"
    console.print(told, highlight=False, soft_wrap=True)
    return status


def _leave_nothing(console: Console) -> None:
    """End what programs of others left behind: workers of Ray outlive their run by a while."""
    if told := _named(end_descendants(END_S)):
        console.print(f"these processes do not end: {told}", highlight=False, soft_wrap=True)


def _end(stop: Stop, *, begun: bool) -> int:
    """End all that was started, say how to go on, and return the exit status."""
    said = "stopped: everything that was started has been ended. To go on:"
    if told := _named(end_descendants(END_S)):
        said = f"stopped, but these processes do not end: {told}"
    # A comparison is never told that it has begun: it goes on by itself.
    say_last(said, command_to_go_on(by_setting=begun))
    return stop.exit_status


def _named(left: Mapping[int, str]) -> str:
    return ", ".join(f"{name} ({pid})" for pid, name in left.items())


def _carrier(arguments: argparse.Namespace) -> Carrier:
    if arguments.kind in options.WITH_NODES:
        return "nodes"
    return "ray" if arguments.engine == "ray" else "engine"


def _standing(arguments: argparse.Namespace) -> Standing | None:
    if arguments.kind != "attach":
        return None
    certificates: Path | None = arguments.root_certificates
    if certificates:
        certificates = expanded(certificates, "--root-certificates ")
    if certificates and not certificates.is_file():
        raise LocalFederationError(
            f"--root-certificates {certificates}: expected the file of a CA, e.g. ca.crt, "
            f"found none"
        )
    host, port = arguments.superlink
    return Standing(host, port, certificates)


def _resources(arguments: argparse.Namespace) -> Resources:
    if arguments.kind in options.WITH_NODES:
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
    _refuse_decided(overrides, of_demo=arguments.kind in options.DEMOS)
    # What a demo plays is its own, so that its runs may be played anew.
    replaces = not resumes(overrides)
    campaign = Campaign(
        folder=expanded(arguments.folder, "--folder ").resolve(),
        num_clients=arguments.clients,
        carrier=_carrier(arguments),
        settings=overrides,
        resources=_resources(arguments),
        start_engine=start_engine,
        replace=replaces if arguments.kind in options.DEMOS else arguments.replace,
        begun=begun,
        standing=_standing(arguments),
    )
    if arguments.kind in _DEMOS:
        _DEMOS[arguments.kind].play(campaign, console)
    elif arguments.kind == "demo-split":
        _play_split(campaign, console)
    elif arguments.kind == "demo-adapters":
        run_dir = adapter_demo.play(campaign, console)
        console.print(f"report: {run_dir / 'report.html'}", soft_wrap=True)
    else:
        _play_method(arguments, campaign, console)


def _refuse_decided(overrides: Mapping[str, bool | int | float | str], *, of_demo: bool) -> None:
    for key, why in _DECIDED.items():
        if key in overrides:
            told = "a demo says it itself" if of_demo and key in ("method", "run-name") else why
            raise SettingsError(f"--set {key}: expected none, got {overrides[key]!r}; {told}")


def _play_method(arguments: argparse.Namespace, asked: Campaign, console: Console) -> None:
    overrides, method = asked.settings, arguments.method
    what: str = arguments.kind
    defaults: Mapping[str, bool | int | float | str] = _DEFAULTS.get(what, {})
    name = arguments.name or method
    baseline = None if arguments.no_baseline else baseline_of(method)
    beside = f"{name}-local" if baseline else None
    runs: dict[str, dict[str, bool | int | float | str]] = {}
    if baseline and beside:
        runs[beside] = dict(baseline)
        if "augmentation" in overrides:  # whoever generates from others' seeds is not alone
            runs[beside]["augmentation"] = "none"
    runs[name] = {"method": method, "compare-with": beside or ""}
    if adapts(method):
        # Before minutes are spent on the model.
        settings = {**adapter_demo.ADAPTER_SETTINGS, **overrides}
        replace(asked, settings=settings).check(runs)
        what, defaults = "adapters", adapter_demo.defaults(asked.folder, overrides, console)
    else:
        asked.check(runs)
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
