"""A run's folder on the server: settings, clients, journal, pictures, progress.

``<runs-dir>/<run-name>/`` is all that is known of a run. Every file is written whole and
flushed; the journal grows by one line per round. What no result depends on is left out where it
cannot be written, and said once.
"""

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from logging import WARNING
from pathlib import Path
from typing import Final, final

from flwr.common.logger import log

from server_app import augmentation_file, run_settings
from server_app.client import Client
from server_app.client_list import FILE as CLIENTS
from server_app.client_list import ClientList, read_clients, write_clients
from server_app.journal import RoundLine, write_round
from server_app.journal_file import Row, read_rows
from strategies.common import folder_lock
from strategies.common.errors import RunFolderError, StoreError
from strategies.common.home import expanded
from strategies.common.new_file import whole
from strategies.common.round import Picture
from strategies.common.run_config import RunConfig
from strategies.common.task import Task

NONE_DECIDED: Final[Mapping[str, str]] = {}


@final
class RunFolder:
    """Folder of one run.

    Parameters
    ----------
    runs_dir : Path
        Where runs are kept.
    name : str
        Name of the run.

    Raises
    ------
    RunFolderError
        If the folder cannot be written.
    """

    def __init__(self, runs_dir: Path, name: str) -> None:
        self.name = name
        self._clients_text = ""
        self._left_out: set[str] = set()
        self._shown: dict[str, object] = {}
        self._hold: folder_lock.Hold | None = None
        self._read: tuple[bytes, list[Row]] | None = None
        self.path = (expanded(runs_dir, "setting runs-dir: ") / name).resolve()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f"{run_settings.PROBE}{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise RunFolderError(
                f"{self.path}: cannot be written ({error.strerror}); make it writable or name "
                f"another folder with runs-dir"
            ) from None

    def hold(self) -> None:
        """Keep other servers out until :meth:`let_go`, or until this process ends.

        Raises
        ------
        RunFolderError
            Naming who plays here already.
        """
        with self._named_errors("start the run again"):
            self._hold = folder_lock.hold(
                self.path,
                lambda holder: RunFolderError(
                    f"{self.path}: this run is played by {holder}; wait for its end, end it, or "
                    f"choose another run-name"
                ),
            )

    def let_go(self) -> None:
        """Let other servers in."""
        if self._hold is not None:
            self._hold.release()

    @property
    def journal(self) -> Path:
        """File with one JSON line per complete round."""
        return self.path / "rounds.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Folder of the server half's states."""
        return self.path / "checkpoints"

    def beside(self, name: str) -> Path | None:
        """Return the folder of another run, or ``None`` for an empty name.

        Raises
        ------
        RunFolderError
            If there is no such run.
        """
        if not name:
            return None
        other = self.path.parent / name
        if not (other / "rounds.jsonl").exists():
            raise RunFolderError(
                f"{other}: holds no run to compare with; run it first, or leave compare-with empty"
            )
        return other

    def begin(self, config: RunConfig, decisions: Mapping[str, str] = NONE_DECIDED) -> None:
        """Write the settings of a new run, and what was chosen beside them with the reason.

        Raises
        ------
        RunFolderError
            If the folder holds a run already.
        """
        if self.journal.exists() and self.journal.stat().st_size:
            raise RunFolderError(
                f"{self.path}: holds a run already; set resume=true to go on with it, or choose "
                f"another run-name"
            )
        with self._named_errors("start the run again"):
            # An earlier attempt that completed no round may have had other clients and settings.
            for left in (CLIENTS, augmentation_file.FILE):
                (self.path / left).unlink(missing_ok=True)
            self._write(run_settings.FILE, run_settings.write(config, decisions))

    def check_resumable(self, config: RunConfig) -> None:
        """Refuse to resume a run with settings that would change its results.

        Raises
        ------
        RunFolderError
            If there is nothing to resume, or naming the settings that differ.
        """
        run_settings.check_same(self.path, config)

    def go_on(self, config: RunConfig, after: int) -> None:
        """Write down what a run goes on with after a round, e.g. more rounds than it began with.

        Raises
        ------
        RunFolderError
            If it cannot be written.
        """
        before = (self.path / run_settings.FILE).read_text("utf-8")
        now = run_settings.gone_on_with(before, config, after)
        if now != before:
            self.write(run_settings.FILE, now)

    def append(self, line: RoundLine) -> None:
        """Add a round to the journal, down to the disk.

        Raises
        ------
        RunFolderError
            If the disk is full or gone; the lines before are untouched.
        """
        text = write_round(line) + "\n"
        self._read = None  # which grows long, and is read no more while rounds are played
        with self.saving(), self.journal.open("ab", buffering=0) as file:
            before = os.fstat(file.fileno()).st_size
            try:
                _write_through(file.fileno(), text.encode())
            except OSError:
                with suppress(OSError):
                    os.ftruncate(file.fileno(), before)
                raise

    def last_round(self) -> int:
        """Return the last complete round of the journal; 0 for none."""
        return len(self._rows())

    def rounds(self) -> list[RoundLine]:
        """Return the complete rounds, in their order."""
        return [row.line for row in self._rows()]

    def forget_after(self, round_number: int) -> None:
        """Cut the journal back to a round, for resuming."""
        rows = [row for row in self._rows() if row.line.round_number <= round_number]
        kept = "".join(f"{row.text}\n" for row in rows)
        # On a full disk a journal that is to stay as it is needs no room.
        if not self.journal.exists() or self.journal.read_bytes() != kept.encode():
            self.write("rounds.jsonl", kept)
        self._read = kept.encode(), rows

    def set_aside_after(self, round_number: int) -> Path | None:
        """Copy the rounds after one into a file of their own, before they are left behind.

        Returns
        -------
        Path | None
            Where they are; ``None`` where there are none.
        """
        rows = [row for row in self._rows() if row.line.round_number > round_number]
        later = "".join(f"{row.text}\n" for row in rows)
        if not later:
            return None
        stem = f"{self.journal.name}.before-resume-from-{round_number}"
        names = itertools.chain([stem], (f"{stem}-{count}" for count in itertools.count(2)))
        name = next(name for name in names if not (self.path / name).exists())
        self.write(name, later)
        return self.path / name

    def _rows(self) -> list[Row]:
        content = self.journal.read_bytes() if self.journal.exists() else b""
        if self._read is None or self._read[0] != content:
            self._read = content, read_rows(self.journal, content)
        return self._read[1]

    def save_clients(self, task: Task, clients: Mapping[int, Client]) -> None:
        """Write down who takes part; a client that is away keeps its entry."""
        with self._if_possible(CLIENTS):
            text = write_clients(self._listed().with_clients(task, clients))
            if text != self._clients_text:
                self._write(CLIENTS, text)
                self._clients_text = text

    def _listed(self) -> ClientList:
        """Return who took part so far; a damaged list is made anew of those who are there."""
        try:
            return read_clients(self.path)
        except RunFolderError as error:
            log(WARNING, "%s; it is written anew, with the clients that are there", error)
            with suppress(OSError):
                (self.path / CLIENTS).unlink()
            return read_clients(self.path)

    def write(self, name: str, text: str) -> None:
        """Write a text file whole or not at all.

        Raises
        ------
        RunFolderError
            If it cannot be written; what stood there before is untouched.
        """
        with self.saving():
            self._write(name, text)

    def _write(self, name: str, text: str) -> None:
        temporary = self.path / f".{name}.tmp"
        try:
            with temporary.open("wb", buffering=0) as file:
                _write_through(file.fileno(), text.encode())
            temporary.replace(self.path / name)
        except OSError:
            with suppress(OSError):  # half a file takes room that the next attempt needs
                temporary.unlink()
            raise

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Say of what a run cannot go on without, where it cannot be written, what to do.

        Raises
        ------
        RunFolderError
            In place of ``OSError`` and ``StoreError``.
        """
        advice = f"start the run again with run-name={self.name!r} and resume=true"
        with self._named_errors(advice):
            yield

    @contextmanager
    def _named_errors(self, then: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunFolderError(
                f"{self.path}: cannot be written ({error.strerror}); free space on its disk, then "
                f"{then}"
            ) from None
        except StoreError as error:
            raise RunFolderError(f"{error}; then {then}") from None

    @contextmanager
    def _if_possible(self, what: str) -> Iterator[None]:
        """Go on without what cannot be written, and say so once."""
        try:
            yield
        except (OSError, RunFolderError) as error:
            if what not in self._left_out:
                self._left_out.add(what)
                log(WARNING, "%s: %s left out (%s); the run goes on", self.path, what, error)

    def show_progress(self, **progress: object) -> None:
        """Tell a watcher what is going on; ``progress.json`` is a hint, not a record."""
        if progress == self._shown:
            return
        with self._if_possible("progress.json"):
            with whole(self.path / "progress.json") as file:
                file.write_text(json.dumps(progress))
            self._shown = progress

    def save_pictures(self, round_number: int, pictures: tuple[Picture, ...]) -> None:
        """Save what was drawn in a round as PNG files."""
        if not pictures:
            return
        from PIL import Image  # noqa: PLC0415 - most methods draw nothing

        folder = self._drawn_in(round_number)
        with self._if_possible("pictures"):
            folder.mkdir(parents=True, exist_ok=True)
            for picture in pictures:
                pixels = picture.pixels.permute(1, 2, 0).numpy()
                with whole(folder / f"{picture.name}.png") as file:
                    Image.fromarray(pixels).save(file, format="PNG")

    def pictures_of(self, round_number: int) -> dict[str, Path]:
        """Return the files of what was drawn in a round, by name."""
        return {file.stem: file for file in sorted(self._drawn_in(round_number).glob("*.png"))}

    def _drawn_in(self, round_number: int) -> Path:
        return self.path / "images" / f"round-{round_number:06d}"


def _write_through(handle: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]
    os.fsync(handle)
