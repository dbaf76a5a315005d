"""Settings as Python writes them, and all that can be refused before anything is started."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from client_app.data import sources
from client_app.half import client_half
from generators import build as generators
from local_federation import this_machine
from models import catalogue, weights
from nectar.model_names import written
from server_app.enough_replies import require_enough
from strategies import tables
from strategies.common.errors import SettingsError
from strategies.common.run_config import default_config, read_run
from strategies.common.settings import RunSettings
from strategies.common.settings_changes import explain_unknown

Value = bool | int | float | str
Config = dict[str, Value]


@final
@dataclass(frozen=True)
class Asker:
    """What takes settings, and what it has words of its own for.

    Attributes
    ----------
    decided : Mapping[str, str]
        Settings that it does not take, and what to do instead.
    arguments : Mapping[str, str]
        Words that look like settings and are none, and where to give them.
    """

    decided: Mapping[str, str]
    arguments: Mapping[str, str]


_ARGUMENTS = ("clients", "workers", "folder", "name", "replace", "quiet", "gpus-per-client")
PLAY: Final = Asker(
    decided={
        "run-name": "play decides it; use name=",
        "runs-dir": "play decides it; use folder=",
        "state-dir": "play decides it; use folder=, which holds the clients' states too",
        "min-nodes": "play decides it; use clients=",
        "resume": "play decides it; use play(..., resume=True)",
    },
    arguments={
        name: f"give it to play itself, as play({name.replace('-', '_')}=...)"
        for name in _ARGUMENTS
    },
)


def gather(*given: Mapping[str, Any], asker: Asker = PLAY) -> Config:
    """Return settings under the names that they have in ``pyproject.toml``.

    Parameters
    ----------
    given : Mapping[str, Any]
        ``learning_rate`` is ``"learning-rate"``, and the table of a method is a mapping, or a
        prefix: ``fedproto={"proto_weight": 1.0}``, ``"fedproto.proto-weight"`` or
        ``fedproto__proto_weight``. A later mapping counts before an earlier one.
    asker : Asker
        For whom.

    Raises
    ------
    SettingsError
        If a setting is unknown, twice in one mapping, no plain value, or for the asker to decide.
    """
    found: Config = {}
    for settings in given:
        own_part: Config = {}
        for key, value in _flat(settings):
            if key in own_part:
                raise SettingsError(f"setting {key}: expected it once, got it in two spellings")
            own_part[key] = _plain(key, value)
        found |= own_part
    known = default_config()
    if unknown := [key for key in found if key not in known]:
        raise SettingsError("; ".join(_unknown(key, known, asker) for key in unknown))
    if taken := [key for key in found if key in asker.decided]:
        raise SettingsError("; ".join(f"setting {k}: {asker.decided[k]}" for k in taken))
    return found


def check(config: Config, clients: int) -> RunSettings:
    """Refuse what can be seen to be wrong without data or server, and return general settings.

    Parameters
    ----------
    config : Config
        Every setting, flat.
    clients : int
        Clients of the run.

    Raises
    ------
    NectarError
        With what to change.
    """
    if isinstance(clients, bool) or not isinstance(clients, int) or clients < 1:
        raise SettingsError(f"play: expected clients to be a number from 1, got {clients!r}")
    run = read_run(config)
    tables.check(config)
    weights.check(run.weights, catalogue.check(run.models))
    sources.check_dealt(run.data)
    generators.check(run.generator)
    generators.check_tables(config)
    client_half(run, config)
    this_machine.check(config)
    require_enough(run, clients, "clients=")
    return run


def _flat(settings: Mapping[str, Any], table: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        name = table + str(key).replace("__", ".").replace("_", "-")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _plain(key: str, value: Any) -> Value:
    if key == "models":
        return written(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Path):
        return str(value)
    if not isinstance(value, Value):
        raise SettingsError(
            f"setting {key}: expected a number, a text, True or False, got {value!r}"
        )
    return value


def _unknown(key: str, known: Mapping[str, Value], asker: Asker) -> str:
    if key in asker.arguments:
        return f"{key} is no setting: {asker.arguments[key]}"
    return explain_unknown(key, known)
