"""The page of each method: its docstring, its settings and what travels, out of its folder."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Final

from client_app.half import client_half
from docs_site.docstring_markdown import markdown
from docs_site.settings_reference import settings_table, tables
from strategies import methods
from strategies.common.payload import Payload, Rule, rules_of
from strategies.common.run_config import default_config, read_run

FOLDER: Final = "methods"
# Of what methods share.
API: Final = "contract"
_COMMON: Final = "strategies.common."
_STREAM: Final = (
    "That is what messages carry. Activations and gradients travel on a "
    "[stream of their own](../split.md)."
)
# Phases may change in the course of a run.
_ROUNDS: Final = (1, 2, 3)


def overview() -> str:
    """Return the page that lists all methods."""
    rows = [
        f"| [{methods.display_name(name)}]({name}.md) | `{name}` | {_first_line(name)} |"
        for name in methods.METHODS
    ]
    head = "# Methods\n\n| method | `method` | what it is |\n|---|---|---|"
    before = f"Before the first round there may be [`{methods.AUGMENTATION}`]"
    return "\n".join([head, *rows, "", f"{before}({methods.AUGMENTATION}.md)."])


def augmentation_page() -> str:
    """Return the page of what may come before the first round of a method."""
    package = f"strategies.{methods.AUGMENTATION}"
    title = (import_module(package).__doc__ or "").partition(":")[0]
    parts = [f"# {title}", f'`augmentation="{methods.AUGMENTATION}"`']
    parts += [_directive(package, members=False), "## Settings"]
    parts += [
        settings_table(methods.AUGMENTATION),
        "## What travels",
        _directive(f"{package}.wire"),
    ]
    return "\n\n".join(parts)


def method_page(name: str) -> str:
    """Return the page of a method.

    Parameters
    ----------
    name : str
        In the table of methods.
    """
    parts = [f"# {methods.display_name(name)}", f'`method="{name}"`']
    parts += [_directive(f"strategies.{name}", members=False), "## Settings"]
    if name in tables():
        parts.append(settings_table(name))
    parts += [_shared_tables(name), "## What travels"]
    directions = _directions(name)
    parts.append(payload_table(directions) if directions else "Nothing.")
    if methods.exchanges(name):
        parts.append(_STREAM)
    parts += [_described_in(module) for module in sorted({kind.__module__ for kind in directions})]
    return "\n\n".join(part for part in parts if part)


def payload_table(directions: dict[type[Payload], list[str]]) -> str:
    """Return payloads with the rules of their fields as a table of Markdown.

    Parameters
    ----------
    directions : dict[type[Payload], list[str]]
        For each payload which ways it goes.
    """
    rows = [
        f"| `{kind.schema}`, version {kind.version} | {', '.join(ways)} | {field} | {rule} |"
        for kind, ways in directions.items()
        for field, rule in _fields(kind)
    ]
    return "\n".join(["| payload | way | field | what it is |\n|---|---|---|---|", *rows])


def _first_line(name: str) -> str:
    doc = import_module(f"strategies.{name}").__doc__ or ""
    first = markdown(inspect.cleandoc(doc).partition("\n\n")[0]).replace("\n", " ")
    return first.partition(": ")[2] or first


def _directive(module: str, *, members: bool = True) -> str:
    """Return what mkdocstrings replaces by a module's docstrings, below this page's headings."""
    options = {"heading_level": 3, "show_root_heading": members, "show_root_toc_entry": members}
    if not members:
        options["members"] = False
    told = "\n".join(f"      {key}: {str(value).lower()}" for key, value in options.items())
    return f"::: {module}\n    options:\n{told}"


def _described_in(module: str) -> str:
    """Return where payloads are described: here, unless several methods send them."""
    if not module.startswith(_COMMON):
        return _directive(module)
    path = module.removeprefix(_COMMON).replace(".", "/")
    return f"Described in [`{module}`](../{API}/{path}.md)."


def _shared_tables(name: str) -> str:
    shared = [
        table
        for table in tables()
        if table not in methods.METHODS and methods.reads(name, f"{table}.")
    ]
    if not shared:
        return ""
    links = ", ".join(f"[`{table}`](../settings.md#{table})" for table in shared)
    return (
        f"It may also read the [general settings](../settings.md#general-settings) and those of "
        f"the tables {links}."
    )


def _directions(name: str) -> dict[type[Payload], list[str]]:
    """Return which ways each payload goes with the default settings."""
    config = {**default_config(), "method": name}
    half = client_half(read_run(config), config)
    found: dict[type[Payload], list[str]] = {}
    for phase in map(half.phase, _ROUNDS):
        for kind, way in ((phase.up, "up"), (phase.down, "down")):
            if kind is not None and way not in found.setdefault(kind, []):
                found[kind].append(way)
    return found


def _fields(kind: type[Payload]) -> Iterator[tuple[str, str]]:
    for name, rule in rules_of(kind).items():
        yield f"`{name}`", _described(rule)


def _described(rule: Rule) -> str:
    words = [rule.kind, f"({', '.join(rule.axes)})"]
    if rule.low is not None or rule.high is not None:
        low = "" if rule.low is None else f" from {rule.low:g}"
        words.append(f"values{low}{'' if rule.high is None else f' to {rule.high:g}'}")
    if rule.is_label:
        words.append("classes, each once" if rule.unique else "classes")
    if rule.optional:
        words.append("may be absent")
    return f"{words[0]} {', '.join(words[1:])}"
