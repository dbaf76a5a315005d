"""Which options of ``python -m client_app.profile`` are read together, and their defaults."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Final

from strategies.common.errors import SettingsError
from strategies.common.run_config import RunConfig
from strategies.common.settings_changes import changed_config, read_changes

DEFAULTS: Final[Mapping[str, int]] = {
    "image": 32,
    "channels": 3,
    "steps": 20,
    "threads": 1,
    "classes": 10,
    "samples": 1000,
}
_OF_A_STEP: Final = (
    *("network", "width", "cut", "bottleneck", "codec", "gradient-codec"),
    *("steps", "frozen"),
)
_OF_A_ROUND: Final = ("model", "data", "classes", "samples", "set")
_OF_NOISE: Final = ("image", "channels", "classes", "samples")
# Settings that say what options say too.
_ALSO: Final = {"method": "method", "client-threads": "threads", "batch-size": "batch"}
# Settings of data, which noise has none of, and the options that say the like of noise.
_OF_DATA: Final = {
    "image-size": "give --image, or --data",
    "channels": "give --channels, or --data",
    "max-samples": "give --samples, or --data",
    "window-length": "give --data",
    "label-column": "give --data",
    "input-columns": "give --data",
    "vocabulary-file": "give --data",
}


def number(asked: argparse.Namespace, name: str) -> int:
    """Return a number as it was given, or its default."""
    given: int | None = getattr(asked, name)
    return DEFAULTS[name] if given is None else given


def refuse_unread(asked: argparse.Namespace) -> None:
    """Refuse options that nothing reads beside the others.

    Raises
    ------
    SettingsError
        Naming the first.
    """
    if asked.method:
        why = "only without --method, where the step of a split method is measured"
        _refuse(asked, _OF_A_STEP, f"{why}; leave it out")
    else:
        _refuse(asked, _OF_A_ROUND, "only with --method, e.g. --method local")
    if asked.data:
        _refuse(asked, _OF_NOISE, "only without --data, which says it; leave one out")
    if asked.json and asked.memory:
        raise SettingsError(
            "--memory: only without --json, whose figures hold no verdict; leave one out"
        )


def _refuse(asked: argparse.Namespace, names: Sequence[str], why: str) -> None:
    for name in names:
        held = "changes" if name == "set" else name.replace("-", "_")
        if getattr(asked, held) not in (None, False):
            raise SettingsError(f"--{name}: {why}")


def round_config(asked: argparse.Namespace) -> RunConfig:
    """Return every setting of the round that is to be measured.

    Raises
    ------
    SettingsError
        If one is unknown, given by an option too, or read by nobody.
    """
    changed = read_changes(asked.changes or [])
    for key, option in _ALSO.items():
        given = getattr(asked, option)
        if key in changed and given is not None:
            raise SettingsError(
                f"--set {key}: expected once, got {changed[key]!r} and --{option} {given}; "
                f"leave one out"
            )
    _refuse_settings(changed, of_noise=not asked.data)
    threads = asked.threads or changed.get("client-threads", DEFAULTS["threads"])
    decided = {"method": asked.method, "client-threads": threads, "device": "cpu"}
    if asked.batch:
        decided["batch-size"] = asked.batch
    return {**changed_config(asked.changes or []), **decided}


def _refuse_settings(changed: RunConfig, *, of_noise: bool) -> None:
    if changed.get("device", "cpu") != "cpu":
        raise SettingsError(
            f"--set device: expected none, since a round is measured on the CPU, got "
            f"{changed['device']!r}; leave it out"
        )
    if "data" in changed:
        raise SettingsError(
            f"--set data: expected none, got {changed['data']!r}; give it with --data"
        )
    for key, advice in _OF_DATA.items():
        if of_noise and key in changed:
            raise SettingsError(
                f"--set {key}: expected none for noise, got {changed[key]!r}; {advice}"
            )
