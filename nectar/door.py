"""The door: what a user asks for, checked, played and read back."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from local_federation.adapter_demo import backbone_in
from local_federation.engine.resources import Resources
from nectar import playing
from nectar.model_names import of_main
from nectar.places import Places
from nectar.run import Run
from nectar.settings import Config, check, gather
from nectar.untouched import untouched
from server_app.compare.page import write_comparison
from server_app.run_record import read_run_record
from strategies.common.errors import SettingsError
from strategies.common.run_config import default_config
from strategies.common.settings import RunSettings
from strategies.methods import adapts

Workers = int | Literal["auto"]


def play(  # noqa: PLR0913 - all but the settings are said by name
    settings: Mapping[str, Any] | None = None,
    /,
    *,
    clients: int = 5,
    name: str = "",
    folder: str | Path = "runs",
    replace: bool = False,
    resume: bool = False,
    workers: Workers = "auto",
    gpus_per_client: float = 0.0,
    quiet: bool = False,
    **more_settings: Any,
) -> Run:
    """Play a federation on this machine and return what came of it.

    Parameters
    ----------
    settings : Mapping[str, Any] | None
        Settings that differ from the defaults in ``pyproject.toml``, as there
        (``"learning-rate"``, ``"fedproto.proto-weight"``).
    clients : int
        Clients; of methods that exchange activations, the nodes that carry them.
    name : str
        Name of the run and of its folder; empty takes the method's.
    folder : str | Path
        Takes runs.
    replace, resume : bool
        What becomes of a run of this name that is there: it is played anew, or goes on after its
        last complete round. Without either it is left alone and refused.
    workers : int | "auto"
        Processes that clients take turns in, ``"auto"`` for as many as there are cores. With 1,
        server and clients are played in this process, where breakpoints stop and classes of a
        notebook are found; so they are with ``"auto"`` where ``models`` holds such a class.
    gpus_per_client : float
        Part of a GPU, or number of GPUs, that a client at work has; 0 lets each see all.
    quiet : bool
        Whether to say nothing while it is played.
    more_settings : Any
        Settings by Python names (``learning_rate=0.1``, ``fedproto__proto_weight=1.0``), which
        count before those of the mapping. ``models`` may be a list, with classes of one's own
        beside names.

    Raises
    ------
    NectarError
        Before anything is started, if a setting is wrong or a run is in the way; later, if the
        run cannot go on.
    """
    given = gather(settings or {}, more_settings)
    config: Config = {**default_config(), **given, "min-nodes": clients}
    places = Places(Path(folder).expanduser().resolve(), name or str(config["method"]))
    config |= places.settings()
    console = Console(quiet=quiet, emoji=False, force_jupyter=False)
    with untouched():
        run = check({**config, "resume": resume}, clients)
        here = _is_played_here(workers, run)
        resources = Resources(0 if workers == "auto" else workers, gpus_per_client)
        config["resume"] = places.check(replace=replace, resume=resume, beside=run.compare_with)
        places.check_settings(clients, resumes=bool(config["resume"]), back_to=run.resume_from)
        host = None if here else playing.host(places, config, clients, resources)
        if adapts(run.method) and "adapters.backbone" not in given:
            config["adapters.backbone"] = backbone_in(places.folder, console)
        places.clear(resumes=bool(config["resume"]))
        try:
            if host is None:
                playing.here(config, clients, console)
            else:
                playing.by(host, places, config, console)
        except KeyboardInterrupt:
            console.print("stopped: with resume=True it goes on after its last complete round")
            raise
    return read(places.run)


def read(folder: str | Path) -> Run:
    """Open a run that was played before, by whatever means.

    Parameters
    ----------
    folder : str | Path
        The run's own folder, e.g. ``"runs/fedproto"``.

    Raises
    ------
    RunFolderError
        If it holds no run.
    """
    return Run(read_run_record(Path(folder).expanduser()))


def compare(
    runs: Iterable[Run | str | Path],
    folder: str | Path = "comparison",
    *,
    reach: float | None = None,
) -> Path:
    """Write one page and tables that compare runs, and return the page.

    Parameters
    ----------
    runs : Iterable[Run | str | Path]
        What :func:`play` returned, or folders of runs: methods by seeds, Local among them.
    folder : str | Path
        Takes page and tables.
    reach : float | None
        Accuracy to which rounds and bytes are counted; ``None`` takes 95 % of what the lowest
        method ends with.

    Raises
    ------
    NectarError
        If they cannot be compared.
    """
    places = [run.folder if isinstance(run, Run) else Path(run).expanduser() for run in runs]
    with untouched():
        return write_comparison(places, Path(folder).expanduser().resolve(), reach=reach)


def _is_played_here(workers: Workers, run: RunSettings) -> bool:
    if workers != "auto" and (not isinstance(workers, int) or workers < 1):
        raise SettingsError(
            f"play: expected workers to be a number from 1 or 'auto', got {workers!r}"
        )
    mine = of_main(run.models)
    if mine and workers not in ("auto", 1):
        raise SettingsError(
            f"play: {', '.join(mine)} stands in this program, which other processes cannot see: "
            f"expected workers=1, got {workers}; or put it into a file and import it from there"
        )
    return workers == 1 or bool(mine) or not hasattr(os, "fork")
