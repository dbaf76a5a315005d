"""The table of data sources, and how a source's name is read: a new one is one line here.

A source's module is imported only where it is read, so that names can be checked without it.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, final

from strategies.common.errors import SettingsError
from strategies.common.home import expanded
from strategies.common.settings import RunSettings

if TYPE_CHECKING:
    from client_app.data.collection import Collection


@final
@dataclass(frozen=True)
class Kind:
    """What is known of a kind of source before anything is opened.

    Attributes
    ----------
    usage : str
        What follows the colon; empty for a source that takes nothing.
    module : str
        Module of ``client_app.data`` whose ``read`` returns a collection; ``pfllib`` and
        ``questions`` return what one client has.
    files : str
        Module whose ``files`` lists what a folder holds of it; empty where there is no folder.
    each : bool
        Whether clients have files of their own there, which the module's ``files_of`` lists.
    decodes : bool
        Whether there are files of images, which ``read`` decodes in the channels that it is told.
    libraries : tuple[str, ...]
        What reading it imports and takes seconds to import.
    dealt_by : str
        For a source that is a device's own, the one that deals the same files to all.
    drawn : bool
        Whether each client's samples are drawn for it, so that nothing is dealt.
    own : bool
        Whether a client's samples are not dealt to it out of those of all, so that their split
        can be kept while single samples come and go.
    tables : bool
        Whether it may hold texts or numbers, which ``read`` reads as the settings say.
    is_file : bool
        Whether its place is a file, and no folder.
    pooled : str
        Module whose ``read`` returns all clients' samples as one collection, for open data, where
        ``module`` returns what one client has.
    """

    usage: str
    module: str
    files: str = ""
    libraries: tuple[str, ...] = ()
    dealt_by: str = ""
    each: bool = False
    decodes: bool = False
    drawn: bool = False
    own: bool = False
    tables: bool = False
    is_file: bool = False
    pooled: str = ""


SOURCES = {
    "digits": Kind("", "digits", libraries=("sklearn.datasets",)),
    "parquet": Kind(
        "<dir>",
        "parquet",
        files="parquet",
        libraries=("pyarrow.parquet",),
        decodes=True,
        tables=True,
    ),
    "pfllib": Kind("<dir>", "pfllib", files="pfllib", each=True, own=True, pooled="published_pool"),
    "images": Kind("<dir>", "dealt_folder", files="dealt_folder", decodes=True),
    "folder": Kind("<dir>", "folder", files="folder", dealt_by="images", decodes=True, own=True),
    "hub": Kind("<name>", "hub", libraries=("datasets",), decodes=True, tables=True),
    "csv": Kind("<file>", "csv_file", files="csv_file", tables=True, is_file=True),
    "own-csv": Kind(
        "<file>",
        "own_csv",
        files="own_csv",
        dealt_by="csv",
        own=True,
        tables=True,
        is_file=True,
    ),
    "sentences": Kind("", "sentences", tables=True),
    "digitgrid": Kind("<benchmark>", "questions", drawn=True),
    "vqa": Kind("<dir>", "questions", files="vqa.image_folder", own=True),
    "vqa-parquet": Kind("<dir>", "questions", files="parquet", libraries=("pyarrow.parquet",)),
    "vqa-hub": Kind("<name>", "questions", libraries=("datasets",)),
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
        Folder, file or hub name; empty for what needs none.
    """

    kind: str
    place: str

    @property
    def folder(self) -> Path:
        """Folder of a source that lies in one."""
        return expanded(self.place, f"data {self.kind}:")

    def who(self, client: int) -> str:
        """Return whose samples of it they are, for errors."""
        return f"{self.kind} {self.place}".strip() + f": client {client}"

    @property
    def reader(self) -> ModuleType:
        """Module that reads it."""
        return _module(SOURCES[self.kind].module)

    @property
    def libraries(self) -> tuple[str, ...]:
        """What reading it imports and takes seconds to import."""
        return SOURCES[self.kind].libraries

    @property
    def arguments(self) -> tuple[Path | str, ...]:
        """What a module needs to find a collection: its folder, its name, or nothing."""
        if SOURCES[self.kind].files:
            return (self.folder,)
        return (self.place,) if self.place else ()

    def collection(self, settings: RunSettings) -> "Collection":
        """Read a source whose samples lie in a collection.

        Parameters
        ----------
        settings : RunSettings
            In which channels images are decoded, and how tables are read.
        """
        kind, told = SOURCES[self.kind], list[object]()
        if kind.decodes:
            told.append(settings.channels)
        if kind.tables:
            told.append(settings)
        if kind.pooled:
            told.append(settings)
        found: Collection = _module(kind.pooled or kind.module).read(*self.arguments, *told)
        return found

    @property
    def whole_place(self) -> str:
        """The same for a folder or file from wherever it is named, and another for another."""
        return str(self.folder.resolve()) if SOURCES[self.kind].files else self.place

    def names_what(self, other: "Source") -> bool:
        """Tell whether another source reads the same, however its place is written."""
        return (self.kind, self.whole_place) == (other.kind, other.whole_place)

    @property
    def is_one_for_all(self) -> bool:
        """Whether clients of one machine read the same files, of which each takes its share."""
        kind = SOURCES[self.kind]
        return bool(kind.files) and not kind.own

    @property
    def is_own(self) -> bool:
        """Whether a client's samples are its own, and not dealt out of those of all."""
        return SOURCES[self.kind].own

    @property
    def is_pooled(self) -> bool:
        """Whether clients have files of their own, which together are open data."""
        return bool(SOURCES[self.kind].pooled)

    @property
    def is_one_devices_own(self) -> bool:
        """Whether whoever reads it has all of it."""
        return bool(SOURCES[self.kind].dealt_by)

    @property
    def is_dealt(self) -> bool:
        """Whether a client's samples are dealt to it out of those of all."""
        kind = SOURCES[self.kind]
        return not (kind.own or kind.drawn)

    def require_here(self) -> None:
        """Refuse a source whose folder is not on this machine, or a benchmark that there is not.

        Nothing is read.

        Raises
        ------
        DataError
            With the absolute path.
        SettingsError
            With the known benchmarks.
        """
        if SOURCES[self.kind].is_file:
            self.reader.require(self.folder)
        elif SOURCES[self.kind].files:
            _module("collection").require_folder(self.folder, self.kind)
        if SOURCES[self.kind].drawn:
            _module("digitgrid.benchmarks").check(self.place)

    @property
    def holds_questions(self) -> bool:
        """Whether its samples are questions about images."""
        return SOURCES[self.kind].module == "questions"

    def require_questions(self, method: str, *, asked: bool) -> None:
        """Refuse samples that a method cannot learn from.

        Parameters
        ----------
        method, asked : str, bool
            For the message; whether it learns from questions.

        Raises
        ------
        SettingsError
            With the sources that hold what it can.
        """
        if self.holds_questions is not asked:
            wanted = "questions about images" if asked else "samples without questions"
            got = f"{self.kind}:{self.place}" if self.place else self.kind
            raise SettingsError(
                f"setting data: expected {wanted} for method {method}, got {got}; digitgrid and "
                f"vqa sources hold questions, all others do not"
            )

    def require_apart(self, what: str, place: Path) -> None:
        """Refuse to write into the source's folder, where it would count as data.

        Parameters
        ----------
        what : str
            What names the place, for the message.
        place : Path
            A file or folder.

        Raises
        ------
        SettingsError
            With what to do.
        """
        inside = expanded(place, f"{what} ").resolve().is_relative_to(self.folder.resolve())
        if SOURCES[self.kind].files and inside:
            raise SettingsError(
                f"{what}: expected a place outside the data {self.folder}, got {place} in it, "
                f"where what is written counts as data from then on; name another"
            )

    def every_file(self) -> list[Path]:
        """Return the files of all clients; none where it lies in no folder.

        Raises
        ------
        DataError
            If they are not there.
        """
        kind = SOURCES[self.kind]
        found: list[Path] = _module(kind.files).files(self.folder) if kind.files else []
        return found

    def files(self, client: int) -> list[Path]:
        """Return the files that a client's data are read from; none where it lies in no folder.

        Raises
        ------
        DataError
            If they are not there.
        """
        kind = SOURCES[self.kind]
        if not kind.each:
            return self.every_file()
        found: list[Path] = _module(kind.files).files_of(self.folder, client)
        return found


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
    if bool(place) != bool(SOURCES[kind].usage):
        raise SettingsError(f"setting data: expected {_usage(kind)}, got {spec!r}")
    return Source(kind, place)


def holds_open(settings: RunSettings, source: Source) -> bool:
    """Tell whether a part of a source is kept open, of which no client is given anything."""
    if not settings.open_data:
        return False
    opened = parse(settings.open_data)
    if opened.names_what(source):
        return True
    # A device may hold what the run names elsewhere: the same rows are open there.
    return source.is_dealt and opened.is_dealt and parse(settings.data).names_what(opened)


def check(spec: str) -> None:
    """Refuse a source that :func:`parse` cannot read; nothing is opened.

    Raises
    ------
    SettingsError
        With the known sources.
    """
    parse(spec)


def check_dealt(spec: str) -> None:
    """Refuse a source that is a device's own where all clients are on one machine.

    Raises
    ------
    SettingsError
        With the source that deals, since every client would hold every sample.
    """
    source = parse(spec)
    if other := SOURCES[source.kind].dealt_by:
        raise SettingsError(
            f"setting data: {spec} is a device's own, and all clients of a simulation would hold "
            f"the same samples; {other}:{source.place} deals them by partition"
        )


def _usage(kind: str) -> str:
    usage = SOURCES[kind].usage
    return f"{kind}:{usage}" if usage else kind


def _module(name: str) -> ModuleType:
    return import_module(f"client_app.data.{name}")
