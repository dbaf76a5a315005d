"""Settings that differ from the defaults, as words of a command line, and names that are none."""

import tomllib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from strategies.common.errors import SettingsError
from strategies.common.run_config import RunConfig, default_config

_SUGGESTED: Final = 3


def read_changes(
    pairs: Sequence[str], option: str = "--set"
) -> dict[str, bool | int | float | str]:
    """Read the ``--set KEY=VALUE`` words of a command line.

    Parameters
    ----------
    pairs : Sequence[str]
        Values are TOML, e.g. ``rounds=5`` or ``models="cnn,resnet8"``; what is none is taken
        as text, so that ``method=fd`` needs no quotes within quotes.
    option : str
        What they are given to, as errors name it.

    Raises
    ------
    SettingsError
        If a word has no equals sign, its value is no single setting, or a key is there twice.
    """
    changes: dict[str, bool | int | float | str] = {}
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not name:
            raise SettingsError(f"{option}: expected KEY=VALUE, got {pair}; e.g. {option} rounds=5")
        value = _single(f"{option} {name}", name, text)
        if name in changes:
            raise SettingsError(
                f"{option} {name}: expected once, got {changes[name]!r} and {value!r}; "
                f"leave one out"
            )
        changes[name] = value
    return changes


def _single(where: str, key: str, text: str) -> bool | int | float | str:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        value = text
    match value:
        case bool() | int() | float() | str():
            return value
        case list():
            several = ",".join(map(str, value))
            given, so = "a list", f'several are written {key}="{several}"'
        case dict():
            each = ", ".join(f"{key}.{name}={one}" for name, one in value.items())
            given, so = (
                "a table",
                f"its settings are given one by one: {each or f'{key}.NAME=VALUE'}",
            )
        case _:
            given, so = f"the TOML {type(value).__name__}", f'text is written {key}="{text}"'
    raise SettingsError(f"{where}: expected one value, got {given}, {text}; {so}")


def changed_config(pairs: Sequence[str]) -> dict[str, bool | int | float | str]:
    """Return the defaults with the ``--set KEY=VALUE`` words of a command line in place.

    Raises
    ------
    SettingsError
        If a word cannot be read, or names a setting that does not exist.
    """
    defaults = default_config()
    changed = read_changes(pairs)
    check_known(changed)
    return {**defaults, **changed}


def changed_tables(config: RunConfig) -> set[str]:
    """Return the tables in which something else stands than by default."""
    known = default_config()
    changed = (key for key, value in config.items() if "." in key and known.get(key) != value)
    return {key.partition(".")[0] for key in changed}


def check_known(keys: Iterable[str]) -> None:
    """Refuse names that are no settings.

    Raises
    ------
    SettingsError
        With the settings that may be meant.
    """
    known = default_config()
    if unknown := [key for key in keys if key not in known]:
        raise SettingsError("; ".join(explain_unknown(key, known) for key in unknown))


def explain_unknown(key: str, known: Iterable[str]) -> str:
    """Say that a name is no setting, and which may be meant: of the same name, or alike."""
    names = list(known)
    same = [name for name in names if name.rpartition(".")[2] == key.rpartition(".")[2]]
    near = same[:_SUGGESTED] or get_close_matches(key, names, _SUGGESTED)
    asked = f"did you mean {' or '.join(near)}? " if near else ""
    return f"unknown setting {key}: {asked}All stand with their defaults in pyproject.toml"
