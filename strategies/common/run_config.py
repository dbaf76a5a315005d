"""Settings out of Flower's run config, and their defaults.

Every default stands in ``pyproject.toml`` under ``[tool.flwr.app.config]`` and nowhere else. Both
halves of a run read the same config through this module, at their door, and hand the resulting
objects on.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from strategies.common.errors import SettingsError
from strategies.common.settings import RunSettings, Settings

RunConfig = Mapping[str, bool | int | float | str]

AnySettings = TypeVar("AnySettings", bound=Settings)

_PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def default_config() -> dict[str, bool | int | float | str]:
    """Return every setting with its default, flat as Flower hands them over.

    The app bundle carries ``pyproject.toml``, so this holds wherever the code runs.
    """
    return dict(_read_defaults())


def app_version() -> str:
    """Return the version of Nectar; a bundle that Flower runs is not installed."""
    return str(_read_project()["project"]["version"])


@cache
def _read_defaults() -> Mapping[str, bool | int | float | str]:
    return flatten(_read_project()["tool"]["flwr"]["app"]["config"])


@cache
def _read_project() -> Mapping[str, Any]:
    return tomllib.loads(_PYPROJECT.read_text())


def flatten(tables: Mapping[str, Any], prefix: str = "") -> dict[str, bool | int | float | str]:
    """Return nested TOML tables flat: table ``t``'s key ``k`` becomes ``"t.k"``."""
    flat: dict[str, bool | int | float | str] = {}
    for key, value in tables.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def read_run(config: RunConfig) -> RunSettings:
    """Read the general settings: every key without a table.

    Raises
    ------
    SettingsError
        Naming every unknown, missing or out-of-range key at once, or two that do not go together.
    """
    settings = _read(RunSettings, {k: v for k, v in config.items() if "." not in k}, table="")
    if settings.stop_after and not settings.validation_share:
        raise SettingsError(
            f"setting stop-after: expected 0 without validation samples, got {settings.stop_after};"
            f" set validation-share too, e.g. 0.1, since no run may end by its test samples"
        )
    if settings.resume_from and not settings.resume:
        raise SettingsError(
            f"setting resume-from: expected 0 without resume=true, got {settings.resume_from}"
        )
    return settings


def read_table(config: RunConfig, table: str, kind: type[AnySettings]) -> AnySettings:
    """Read one method's or generator's table into its settings class.

    Parameters
    ----------
    config : RunConfig
        Flower's flat run config, in which table ``t``'s key ``k`` is ``"t.k"``.
    table : str
        Name of the table.
    kind : type
        Settings class of the table.

    Raises
    ------
    SettingsError
        Naming every unknown, missing or out-of-range key at once.
    """
    prefix = f"{table}."
    values = {k.removeprefix(prefix): v for k, v in config.items() if k.startswith(prefix)}
    return _read(kind, values, table=table)


def _read(
    kind: type[AnySettings], values: Mapping[str, bool | int | float | str], *, table: str
) -> AnySettings:
    try:
        return kind.model_validate(dict(values), by_alias=True, by_name=False)
    except ValidationError as error:
        known = ", ".join(sorted(str(field.alias) for field in kind.model_fields.values()))
        lines = [_explain(table, dict(problem), known) for problem in error.errors()]
        raise SettingsError("; ".join(lines)) from None


def _explain(table: str, problem: Mapping[str, object], known: str) -> str:
    location = problem["loc"]
    key = ".".join(str(part) for part in location) if isinstance(location, tuple) else ""
    where = f"setting {table}.{key}" if table else f"setting {key}"
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown; the known ones are {known}"
    if problem["type"] == "missing":
        return f"{where}: missing; give it in [tool.flwr.app.config] or --run-config"
    return f"{where}: {problem['msg']}, got {problem['input']!r}"


def known_name(what: str, name: str, known: Mapping[str, object]) -> None:
    """Refuse a name that a table does not hold.

    Raises
    ------
    SettingsError
        With the known names.
    """
    if name not in known:
        raise SettingsError(f"{what}: unknown {name!r}; the known ones are {', '.join(known)}")
