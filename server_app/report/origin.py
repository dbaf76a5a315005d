"""Where a run comes from: when it was played, by what, and the command that plays it again."""

import shlex
from typing import Final

import tomli_w

from server_app.progress import format_duration
from server_app.report.markup import Html, bullets, element, join
from server_app.run_record import RunRecord
from strategies.common.run_config import default_config
from strategies.methods import METHODS, reads

# What a simulation sets itself, and what names a run or says where it was played.
_PLACES: Final = frozenset(
    {
        *("method", "min-nodes", "run-name", "runs-dir", "state-dir", "resume", "compare-with"),
        *("resume-from", "server-device", "device"),
    }
)
_TOLD: Final = (
    "It simulates the clients on one machine, with all settings that differ from the defaults of "
    "this version, under another name. What devices set for themselves is not "
    "part of a command."
)


def origin(run: RunRecord) -> Html:
    """Return date, duration, versions, what was chosen beside the settings, and the command."""
    seconds = sum(line.seconds.get("total", 0.0) for line in run.rounds)
    versions = [
        f"{key.removeprefix('versions.')} {value}"
        for key, value in sorted(run.settings.items())
        if key.startswith("versions.")
    ]
    facts = [
        f"Started {run.started}." if run.started else "When it was started is not known.",
        f"{len(run.rounds)} rounds took {format_duration(seconds)} on the server.",
        *([f"Versions: {', '.join(versions)}."] if versions else []),
        *(f"{name.capitalize()}: {told}." for name, told in run.decisions.items()),
    ]
    code = element("code", command(run), attributes={"class": "command"})
    told = element("p", "The same run again:")
    return join(bullets(facts), told, code, element("p", _TOLD, attributes={"class": "muted"}))


def command(run: RunRecord) -> str:
    """Return a command that plays a run again, for a shell in the checkout."""
    usual = default_config()
    changed = {
        key: value
        for key, value in sorted(run.settings.items())
        if not key.startswith("versions.") and key not in _PLACES and usual.get(key) != value
        # Tables of other methods change nothing.
        if run.method not in METHODS or reads(run.method, key)
    }
    asked = [f"--set {shlex.quote(f'{k}={_written(value)}')}" for k, value in changed.items()]
    words = [
        "python -m local_federation simulate",
        f"--method {shlex.quote(run.method)}",
        f"--clients {len(run.clients)}",
        # A run of the same name would be in the way.
        f"--name {shlex.quote(f'{run.name}-again')}",
        *asked,
    ]
    return " ".join(words)


def _written(value: object) -> str:
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")
