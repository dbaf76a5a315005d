"""What the site shows, and in which order; whatever is new in a folder has a page by itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from docs_site import method_pages, settings_reference
from docs_site.method_pages import API, FOLDER
from strategies import methods

# A place on the site, or a title with its place or with what stands below it.
Entry = str | Mapping[str, "str | Sequence[Entry]"]

# Pages of the repository's root, by their place on the site.
ROOT_PAGES: Final = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
# What a method is written against; all else in the folder is shown behind it.
CONTRACT: Final = (
    *("method", "message", "payload", "payloads", "wire", "round"),
    *("agreed", "provided", "tested", "settings", "device", "errors"),
)
SETTINGS: Final = "settings.md"
_RESULTS: Final = "results.md"
_DECISIONS: Final = "decisions"
_COMMON: Final = "strategies/common"
# Made by a program, for programs.
_MADE: Final = "_pb2"


def generated(root: Path) -> dict[str, str]:
    """Return the pages that stand in no file of ``docs``: Markdown by place on the site.

    Links of the root's files are still those of the repository; see :func:`sources`.

    Parameters
    ----------
    root : Path
        Of the repository.
    """
    pages = {uri: (root / source).read_text() for uri, source in ROOT_PAGES.items()}
    pages[SETTINGS] = settings_reference.reference()
    pages[f"{FOLDER}/index.md"] = method_pages.overview()
    for name in methods.METHODS:
        pages[f"{FOLDER}/{name}.md"] = method_pages.method_page(name)
    pages[f"{FOLDER}/{methods.AUGMENTATION}.md"] = method_pages.augmentation_page()
    for path in _modules(root):
        pages[_api_uri(path)] = (
            f"::: {path.replace('/', '.')}\n    options:\n      heading_level: 1"
        )
    pages[f"{_DECISIONS}/index.md"] = _list_of_decisions(root)
    return pages


def sources(root: Path) -> dict[str, str]:
    """Return what the site shows of the repository: by path from the root, place on the site."""
    docs = root / "docs"
    shown = {
        path.relative_to(root).as_posix(): path.relative_to(docs).as_posix()
        for path in docs.rglob("*")
        if path.is_file()
    }
    shown |= {source: uri for uri, source in ROOT_PAGES.items()}
    shown[f"docs/{_DECISIONS}"] = f"{_DECISIONS}/index.md"
    for name in (*methods.METHODS, methods.AUGMENTATION):
        page = f"{FOLDER}/{name}.md"
        shown |= {f"strategies/{name}": page, f"strategies/{name}/__init__.py": page}
    return shown | {f"{path}.py": _api_uri(path) for path in _modules(root)}


def navigation(root: Path) -> list[Entry]:
    """Return the site's navigation, as mkdocs reads it."""
    guides = sorted(path.name for path in (root / "docs").glob("*.md") if path.name != _RESULTS)
    decisions = [f"{_DECISIONS}/{path.name}" for path in _decisions(root)]
    return [
        {"Home": "index.md"},
        {"Guides": guides},
        {
            "Methods": [
                {"All methods": f"{FOLDER}/index.md"},
                *({methods.display_name(n): f"{FOLDER}/{n}.md"} for n in methods.METHODS),
                f"{FOLDER}/{methods.AUGMENTATION}.md",
            ]
        },
        {"Settings": SETTINGS},
        {"Results": _RESULTS},
        {"Contract": _contract(root)},
        {
            "Project": [
                {"Contributing": "contributing.md"},
                {"Changelog": "changelog.md"},
                # Of a second level, which is folded where one reads elsewhere.
                {"Decisions": [{"All decisions": f"{_DECISIONS}/index.md"}, *decisions]},
            ]
        },
    ]


def _contract(root: Path) -> list[Entry]:
    """Return the modules that a method is written against, then the others by folder."""
    first = [{name: f"{API}/{name}.md"} for name in CONTRACT]
    folders: dict[str, list[dict[str, str]]] = {}
    for path in _modules(root):
        folder, _, name = path.removeprefix(f"{_COMMON}/").rpartition("/")
        if folder or name not in CONTRACT:
            folders.setdefault(folder, []).append({name: _api_uri(path)})
    shared = folders.pop("", [])
    return [*first, {"shared": shared}, *({name: pages} for name, pages in folders.items())]


def _modules(root: Path) -> list[str]:
    """Return the modules of what methods share, each by its path without ending."""
    files = sorted((root / _COMMON).rglob("*.py"))
    paths = (file.relative_to(root).with_suffix("").as_posix() for file in files)
    return [path for path in paths if not path.endswith(("/__init__", _MADE))]


def _api_uri(path: str) -> str:
    return f"{API}/{path.removeprefix(f'{_COMMON}/')}.md"


def _decisions(root: Path) -> list[Path]:
    return sorted((root / "docs" / _DECISIONS).glob("[0-9]*.md"))


def _list_of_decisions(root: Path) -> str:
    titles = [(p.name, p.read_text().partition("\n")[0].lstrip("# ")) for p in _decisions(root)]
    return "\n".join(["# Decisions", "", *(f"* [{title}]({name})" for name, title in titles)])
