"""The data sources that a user can name, and how a name is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from strategies.common.errors import SettingsError

# What follows the colon; an empty string for a source that takes nothing.
SOURCES = {
    "digits": "",
    "parquet": "<dir>",
    "pfllib": "<dir>",
    "folder": "<dir>",
    "hub": "<name>",
    "digitgrid": "<benchmark>",
    "vqa": "<dir>",
    "vqa-parquet": "<dir>",
    "vqa-hub": "<name>",
}


@final
@dataclass(frozen=True)
class Source:
    """A data source as the user named it.

    Attributes
    ----------
    kind : str
        A key of ``SOURCES``.
    place : str
        Folder or hub name; empty for ``digits``.
    """

    kind: str
    place: str

    @property
    def folder(self) -> Path:
        """Folder of a source that lies in one."""
        return Path(self.place).expanduser()


def parse(spec: str) -> Source:
    """Read a source's name, e.g. ``"parquet:/data/cifar10"``.

    Raises
    ------
    SettingsError
        If the source is unknown, or what follows the colon is missing or too much.
    """
    kind, _, place = spec.partition(":")
    if kind not in SOURCES:
        known = ", ".join(_usage(name) for name in SOURCES)
        raise SettingsError(f"setting data: unknown source {spec!r}; the known ones are {known}")
    if bool(place) != bool(SOURCES[kind]):
        raise SettingsError(f"setting data: expected {_usage(kind)}, got {spec!r}")
    return Source(kind, place)


def check(spec: str) -> None:
    """Refuse a source that :func:`parse` cannot read; nothing is opened.

    Raises
    ------
    SettingsError
        With the known sources.
    """
    parse(spec)


def _usage(kind: str) -> str:
    return f"{kind}:{SOURCES[kind]}" if SOURCES[kind] else kind
