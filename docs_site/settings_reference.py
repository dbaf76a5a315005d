"""The reference of all settings: name, default, what is allowed, meaning; nothing is told twice.

Names and defaults come from ``pyproject.toml``, ranges from pydantic, meanings from docstrings.
"""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, final

from docs_site.allowed import Value, allowed, code, literal
from docs_site.docstring_markdown import attributes, introduction
from strategies import methods
from strategies.common.errors import SettingsError
from strategies.common.run_config import default_config
from strategies.common.settings import RunSettings, Settings

_ROOT: Final = Path(__file__).parents[1]
# Where the class of a table may stand that is no method's.
_PLACES: Final = (
    "strategies.{}.settings",
    "strategies.common.{}.settings",
    "strategies.common.{}",
    "generators.{}.settings",
)
_SPAN: Final = re.compile(r"`(\w+)`")
_HEAD: Final = "| setting | default | allowed | meaning |\n|---|---|---|---|"
_BEGINNING: Final = """# Settings

Every setting, with the default that stands in `[tool.flwr.app.config]` of `pyproject.toml`. A
setting of a table is named `<table>.<key>`; unknown, missing and out-of-range ones are refused
before anything starts. This page is made of the classes that check them.
"""


@final
@dataclass(frozen=True)
class SettingLine:
    """One line of the reference.

    Attributes
    ----------
    name : str
        In full, as in a config.
    default : bool | int | float | str
        Of ``pyproject.toml``.
    allowed, meaning : str
        Markdown.
    """

    name: str
    default: Value
    allowed: str
    meaning: str

    @property
    def row(self) -> str:
        """The line as a row of a table, which links may name."""
        name = f'<a id="{self.name}"></a>{code(self.name)}'
        meaning = self.meaning.replace("|", "&#124;")
        return f"| {name} | {literal(self.default)} | {self.allowed} | {meaning} |"


def tables() -> list[str]:
    """Return the names of all tables that have settings, in the order of ``pyproject.toml``."""
    return list(dict.fromkeys(key.partition(".")[0] for key in default_config() if "." in key))


def settings_class(table: str) -> type[Settings]:
    """Return the class that checks a table; that of the general settings for an empty name.

    Raises
    ------
    SettingsError
        If it stands in none of the usual places.
    """
    if not table:
        return RunSettings
    if table in methods.METHODS:
        return methods.settings_class(table)
    for place in (pattern.format(table) for pattern in _PLACES):
        if _exists(place) and (kinds := _settings_classes(place)):
            return kinds[0]
    raise SettingsError(
        f"table {table}: expected its class in one of {', '.join(_PLACES)}, found none; put it "
        f"there, or tell docs_site/settings_reference.py the place"
    )


def lines(table: str, kind: type[Settings]) -> list[SettingLine]:
    """Return the lines of a table.

    Parameters
    ----------
    table : str
        Its name; empty for the general settings.
    kind : type[Settings]
        Its class.

    Raises
    ------
    SettingsError
        If a setting has no default, or no docstring says what it means.
    """
    told = _meanings(kind)
    may_be = allowed(kind)
    found = []
    for name, field in kind.model_fields.items():
        key = f"{table}.{field.alias}" if table else str(field.alias)
        if not told.get(name):
            raise SettingsError(
                f"setting {key}: expected its meaning under Attributes of {kind.__name__} or of a "
                f"class that it derives from, found none; write it there"
            )
        if key not in default_config():
            raise SettingsError(f"setting {key}: expected a default in pyproject.toml, found none")
        found.append(SettingLine(key, default_config()[key], may_be[str(field.alias)], told[name]))
    return found


def settings_table(table: str) -> str:
    """Return a table of settings as a table of Markdown, headed."""
    rows = [line.row for line in lines(table, settings_class(table))]
    return "\n".join([_HEAD, *rows])


def reference() -> str:
    """Return the page of all settings."""
    named = tables()
    shared = [t for t in named if t not in methods.METHODS and not _draws(t)]
    return "\n\n".join(
        [
            _BEGINNING.rstrip(),
            f"## General settings\n\n{settings_table('')}",
            _section("Settings that methods share", shared),
            _section("Settings of methods", [t for t in named if t in methods.METHODS]),
            _section("Settings of image generators", [t for t in named if _draws(t)]),
        ]
    )


def _section(title: str, names: Sequence[str]) -> str:
    parts = [f"## {title}"]
    for name in names:
        parts += [f"### `{name}`", introduction(settings_class(name)), settings_table(name)]
    return "\n\n".join(parts)


def _draws(table: str) -> bool:
    return settings_class(table).__module__.startswith("generators.")


def _exists(module: str) -> bool:
    return (_ROOT / f"{module.replace('.', '/')}.py").is_file()


def _settings_classes(place: str) -> list[type[Settings]]:
    module = import_module(place)
    kinds = [kind for _, kind in inspect.getmembers(module, inspect.isclass)]
    return [k for k in kinds if issubclass(k, Settings) and k.__module__ == module.__name__]


def _meanings(kind: type[Settings]) -> dict[str, str]:
    """Return what docstrings say of each field; a class may explain anew what its base has."""
    told: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, Settings):
            told |= attributes(base)
    # Docstrings name other settings as Python does.
    names = kind.model_fields

    def as_written(found: re.Match[str]) -> str:
        return f"`{names[found[1]].alias}`" if found[1] in names else found[0]

    return {name: _SPAN.sub(as_written, meaning) for name, meaning in told.items()}
