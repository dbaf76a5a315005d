"""The settings that a run was begun with, as its folder keeps them."""

import platform
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import tomli_w

from strategies import methods
from strategies.common import folder_lock, same_run
from strategies.common.errors import RunFolderError
from strategies.common.run_config import RunConfig, app_version, default_config

FILE: Final = "settings.toml"
# Begins the name of a file by which a server tries whether it may write.
PROBE: Final = ".probe-"
# The table of what was not set but chosen; its keys are no settings.
DECIDED: Final = "decided"

# Of what a resumed run may differ in, what tells of one part alone.
_OF_ONE_PART = {"resume", "resume-from"}
_VERSIONED = ("flwr", "numpy", "torch", "torchvision", "safetensors", "pydantic")


def write(config: RunConfig, decisions: Mapping[str, str]) -> str:
    """Return the file of a run that begins now: its settings, the time and versions.

    Parameters
    ----------
    config : RunConfig
        The settings, as resolved.
    decisions : Mapping[str, str]
        What was not set but chosen, with the reason.
    """
    versions = {name: version(name) for name in _VERSIONED}
    versions |= {"nectar": app_version(), "python": platform.python_version()}
    started = datetime.now(UTC).replace(microsecond=0)
    settings = dict(sorted(config.items()))
    tables = {"started": started, "settings": settings, "versions": versions}
    return tomli_w.dumps(tables | ({DECIDED: dict(decisions)} if decisions else {}))


def gone_on_with(text: str, config: RunConfig, after: int) -> str:
    """Return the file of a run that goes on, with what may differ from what it began with.

    Parameters
    ----------
    text : str
        The file so far.
    config : RunConfig
        The settings now.
    after : int
        The last round so far; one that is to play fewer rounds has played these all the same.
    """
    tables = tomllib.loads(text)
    free = same_run.FREE - _OF_ONE_PART
    now = {key: value for key, value in config.items() if key in free}
    now["rounds"] = max(int(config["rounds"]), after)
    settings = dict(sorted({**tables["settings"], **now}.items()))
    return tomli_w.dumps({**tables, "settings": settings})


def check_same(run_dir: Path, config: RunConfig) -> None:
    """Refuse to go on with a run with settings that would change its results.

    Raises
    ------
    RunFolderError
        If there is nothing to resume, naming the settings that differ, or if an older version
        tested by another rule.
    """
    try:
        saved = tomllib.loads((run_dir / FILE).read_text())["settings"]
    except (OSError, KeyError, ValueError):
        raise RunFolderError(
            f"{run_dir}: holds no run to resume; check run-name and runs-dir, or set resume=false"
        ) from None
    before, now = {**default_config(), **saved}, dict(config)
    follows = methods.follows_rounds({**default_config(), **now})
    found = same_run.differing(saved, now, {*saved, *now}, follows_rounds=follows)
    if found:
        told = "; ".join(f"{key} was {before.get(key)!r} and is {now.get(key)!r}" for key in found)
        why = "; what its rounds do follows from how many there are" if "rounds" in found else ""
        raise RunFolderError(f"{run_dir}: cannot resume with other settings: {told}{why}")
    method = str(now.get("method"))
    began, goes_on = (methods.presentation(method, told).classified_by for told in (saved, now))
    if began != goes_on:
        raise RunFolderError(
            f"{run_dir}: cannot resume: test samples were classified by {began}, and would be by "
            f"{goes_on}, which is no one curve; begin a run of another name"
        )


def is_unsigned(folder: Path) -> bool:
    """Tell whether a folder holds nothing, or what a server leaves that ended before it wrote here.

    That is its lock, its trial of the disk, and half of the settings.
    """
    left = (folder_lock.NAME, f".{FILE}.tmp")
    return folder.is_dir() and all(
        path.name in left or path.name.startswith(PROBE) for path in folder.iterdir()
    )


def is_run(folder: Path) -> bool:
    """Tell whether a folder is marked as a run's: a server wrote its settings there."""
    try:
        found = tomllib.loads((folder / FILE).read_text())
    except (OSError, ValueError):
        return False
    return found.keys() >= {"settings", "versions"}
