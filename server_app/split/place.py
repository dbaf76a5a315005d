"""Where the stream of a run is: what the run says, or else what the server's owner says.

Whoever starts a run need not know the server's address. Settings that a run leaves at their
defaults come from environment variables of the server half's process, which compose or
systemd sets once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from server_app.split.address import check_host, read_address
from server_app.split.certificate import read_files
from server_app.split.naming import SETTINGS, Names, called
from strategies.common.errors import SettingsError
from strategies.common.split.settings import SplitSettings

VARIABLES: Final[Names] = {
    "host": "NECTAR_SPLIT_HOST",
    "port": "NECTAR_SPLIT_PORT",
    "advertise": "NECTAR_SPLIT_ADVERTISE",
    "certificate": "NECTAR_SPLIT_CERTIFICATE",
    "key": "NECTAR_SPLIT_KEY",
}
# A certificate is of no use without its own key.
_FILES: Final = frozenset({"certificate", "key"})
_LARGEST_PORT = 65535


@final
@dataclass(frozen=True)
class Place:
    """Where a run's stream is.

    Attributes
    ----------
    settings : SplitSettings
        The settings of the run, completed.
    decisions : Mapping[str, str]
        What was taken from the environment, with the variable.
    """

    settings: SplitSettings
    decisions: Mapping[str, str]


def find_place(
    settings: SplitSettings, usual: SplitSettings, environment: Mapping[str, str]
) -> Place:
    """Complete a run's settings by what the environment says, and check what came of it.

    Parameters
    ----------
    settings : SplitSettings
        Those of the run.
    usual : SplitSettings
        The defaults.
    environment : Mapping[str, str]
        Environment variables of the server half's process; empty ones say nothing.

    Raises
    ------
    SettingsError
        If devices could not know what to dial, or a file cannot be used; it names the setting
        or the variable.
    """
    open_ones = {f: v for f, v in VARIABLES.items() if f in _left_open(settings, usual)}
    said = {field: environment.get(variable, "").strip() for field, variable in open_ones.items()}
    told = {field: text for field, text in said.items() if text}
    # What is missing beside a variable is the business of whoever set it.
    names = {**SETTINGS, **(open_ones if told else {})}
    values: dict[str, str | int] = {**told}
    if "port" in told:
        values["port"] = _port(told["port"])
    if "host" in told:
        check_host(told["host"], names)
    found = settings.model_copy(update=values)
    read_address(found, names)
    if found.certificate or found.key:
        read_files(found.certificate, found.key, names)
    return Place(
        found,
        {f"split stream's {field}": f"{text} ({VARIABLES[field]})" for field, text in told.items()},
    )


def _left_open(settings: SplitSettings, usual: SplitSettings) -> frozenset[str]:
    """Return what a run leaves to the server's owner."""
    same = {field for field in VARIABLES if getattr(settings, field) == getattr(usual, field)}
    return frozenset(same if same >= _FILES else same - _FILES)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_PORT:
        variable = called(VARIABLES["port"])
        raise SettingsError(f"{variable}: expected a port from 0 to {_LARGEST_PORT}, got {text!r}")
    return int(text)
