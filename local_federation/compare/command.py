"""The command ``compare``: plan, play what is left, and write the comparison."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from rich.console import Console
from rich.table import Table

from local_federation import adapter_demo, this_machine
from local_federation.compare.choices import read_grid, read_methods, read_seeds
from local_federation.compare.estimate import Estimate, in_all
from local_federation.compare.home import StudyHome
from local_federation.compare.play import StudyPlayer
from local_federation.compare.study import PlannedRun, Study, Value
from local_federation.engine.resources import Resources, cores
from local_federation.engine.start import StartEngine
from local_federation.host import LocalFederationError
from local_federation.own_defaults import typed_over
from server_app.compare.page import require_ours, write_comparison
from server_app.enough_replies import require_enough
from server_app.progress import format_bytes, format_duration
from server_app.report.page import write_report
from strategies.common.home import expanded
from strategies.common.run_config import default_config, read_run
from strategies.common.settings_changes import read_changes
from strategies.methods import adapts

HELP: Final = "methods x seeds x settings, each run once, and one page that compares them"
EPILOG: Final = """Each method runs once per seed and choice of --grid, and Local (or each client's
adapters alone) once per seed. Runs are kept in FOLDER/NAME: whatever ends this command, the same
command again goes on where it was, and more seeds or methods may be asked for later. Clients'
models stand in FOLDER/NAME/.federation/state, for client_app.export, and take most of the disk."""
# What clients' models may take before it is told.
_MUCH: Final = 10**9


def add_arguments(parser: argparse.ArgumentParser, folder: Path) -> None:
    """Add what the command takes, but for what simulations share.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of this command.
    folder : Path
        Where runs are kept unless the user says otherwise.
    """
    add = parser.add_argument
    add("--methods", required=True, metavar="M,M", help="methods, e.g. fd,fedproto,fedktl")
    add("--seeds", default="0-2", metavar="S", help="e.g. 0-4 or 1,2,7 (%(default)s)")
    add(
        "--grid",
        action="append",
        default=[],
        metavar="KEY=V,V",
        help="values of a setting to vary, e.g. fedproto.proto-weight=1,10; repeatable",
    )
    add("--clients", type=int, default=5, help="clients of each run (%(default)s)")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of all runs as TOML, e.g. rounds=50; repeatable",
    )
    add("--folder", type=Path, default=folder, help="takes the comparison's folder")
    add("--name", default="comparison", help="name of that folder (%(default)s)")
    add(
        "--at-once",
        type=number_or_auto,
        default=0,
        metavar="N|auto",
        help="runs at a time (auto: as many as there are cores; 1 with a GPU)",
    )
    add("--reach", type=_accuracy, metavar="A", help="accuracy whose rounds and bytes are counted")
    add(
        "--drop-models",
        action="store_true",
        help="remove the clients' models of each run that has ended: a comparison reads none",
    )
    add("--dry-run", action="store_true", help="show the runs and how long they take; play none")


def number_or_auto(text: str) -> int:
    """Read a number from 1, or ``"auto"`` as 0.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is neither.
    """
    if text == "auto":
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, or auto, got {text!r}")
    return int(text)


def _accuracy(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"expected an accuracy above 0, at most 1, got {text!r}")
    return number


def play(
    arguments: argparse.Namespace,
    resources: Resources,
    start_engine: StartEngine,
    console: Console,
) -> None:
    """Play what is left of a comparison and write its page and tables.

    Raises
    ------
    LocalFederationError
        If runs failed; what the others found is written before.
    NectarError
        If something is asked for that cannot be played.
    """
    folder = expanded(arguments.folder, "--folder ").resolve()
    names = read_methods(arguments.methods)
    changes = read_changes(arguments.set)
    grid, settings = read_grid(arguments.grid), changes
    if any(map(adapts, names)):
        settings = {**_beside(grid, adapter_demo.ADAPTER_SETTINGS), **changes}
    study = Study(names, read_seeds(arguments.seeds), grid, settings)
    if arguments.clients < 1:
        raise LocalFederationError(f"--clients: expected at least 1, got {arguments.clients}")
    _check_name(arguments.name)
    home = StudyHome(folder / arguments.name)
    home.check_own()
    require_ours(home.folder)
    for run in study.runs():
        config = {**default_config(), **home.whole_settings(run, arguments.clients)}
        require_enough(read_run(config), arguments.clients, "--clients ")
        this_machine.check_apart(config)
    home.check_agrees(_in_common(names, study, folder), arguments.clients)
    if arguments.dry_run:
        _show_plan(study.runs(), home, arguments, console)
        return
    if any(map(adapts, names)):
        own = _beside(grid, adapter_demo.defaults(folder, changes, console))
        settings = typed_over("adapters", own, changes, console)
        study = Study(names, study.seeds, study.grid, settings)
    with home.held(study.settings, arguments.clients):
        runs = study.runs()
        left = _show_plan(runs, home, arguments, console)
        at_once = _runs_at_once(arguments, len(left))
        shared = Resources(
            resources.workers or max(1, cores() // at_once), resources.gpus_per_client
        )
        failed = []
        if arguments.drop_models:
            home.drop_models(runs)
        if left:
            player = StudyPlayer(
                home,
                arguments.clients,
                shared,
                at_once,
                start_engine,
                console,
                drop_models=arguments.drop_models,
            )
            failed = player.play(left)
        done = [home.path(run) for run in runs if run not in left or home.finished(run)]
        _write_missing_reports(done, console)
        if done:
            page = write_comparison(done, home.folder, reach=arguments.reach)
            console.print(f"comparison: {page}", soft_wrap=True)
        _tell_models(runs, home, console)
    if failed:
        ends = "\n".join(f"{one.run.name} ({one.log}): {one.reason}" for one in failed)
        raise LocalFederationError(
            f"{len(failed)} of {len(runs)} runs failed; the same command goes on with them. "
            f"Each with its log and how that ends:\n{ends}"
        )


def _in_common(names: Sequence[str], study: Study, folder: Path) -> Mapping[str, Value]:
    """Return the settings of all runs as they will be played, and make nothing for them."""
    if not any(map(adapts, names)):
        return study.settings
    return {**_beside(study.grid, adapter_demo.planned(folder, study.settings)), **study.settings}


def _beside(grid: Mapping[str, object], settings: Mapping[str, Value]) -> dict[str, Value]:
    """Return the settings that are not varied."""
    return {key: value for key, value in settings.items() if key not in grid}


def _write_missing_reports(run_dirs: Sequence[Path], console: Console) -> None:
    """Write reports of runs that were ended after their last round."""
    for run_dir in run_dirs:
        if not (run_dir / "report.html").exists():
            try:
                write_report(run_dir)
            # As at a run's own end: drawn by libraries of others, of what devices told.
            except Exception as error:
                console.print(f"{run_dir.name}: no report ({error})", highlight=False)


def _tell_models(runs: Sequence[PlannedRun], home: StudyHome, console: Console) -> None:
    """Say how much clients' models take, where it is much."""
    if (kept := home.models_bytes(runs)) > _MUCH:
        console.print(
            f"clients' models take {format_bytes(kept)}; the same command with --drop-models "
            f"removes those of runs that have ended",
            highlight=False,
        )


def _check_name(name: str) -> None:
    if Path(name).name != name or name in (".", "..", ""):
        raise LocalFederationError(
            f"--name: expected the name of a folder, got {name!r}; name its place with --folder"
        )


def _runs_at_once(arguments: argparse.Namespace, left: int) -> int:
    usual = 1 if torch.cuda.is_available() else cores()
    return max(1, min(arguments.at_once or usual, left))


def _show_plan(
    runs: Sequence[PlannedRun], home: StudyHome, arguments: argparse.Namespace, console: Console
) -> list[PlannedRun]:
    """Show every run, what stands of it, and how long the rest takes; return what is left."""
    home.check_runs(runs)
    near = [home.folder, home.folder.parent]
    folders = [path for place in near if place.is_dir() for path in sorted(place.iterdir())]
    known = Estimate(folders, arguments.clients)
    table = Table("run", "", "time", title=f"{len(runs)} runs in {home.folder}")
    left: list[PlannedRun] = []
    seconds: list[float | None] = []
    for run in runs:
        if home.finished(run):
            table.add_row(run.name, "finished", "")
            continue
        left.append(run)
        seconds.append(known.of(run))
        standing = "goes on" if home.begun(run) else ""
        table.add_row(run.name, standing, _about(seconds[-1]))
    console.print(table)
    if not left:
        return left
    whole = in_all(seconds, _runs_at_once(arguments, len(seconds)))
    hint = "" if whole is not None else "; known once a run like these has been played"
    console.print(f"{len(left)} runs to play, {_about(whole)}{hint}", highlight=False)
    return left


def _about(seconds: float | None) -> str:
    return "time unknown" if seconds is None else f"about {format_duration(seconds)}"
