"""A run's folder on the server: settings, clients, journal, pictures, progress.

``<runs-dir>/<run-name>/`` is all that is known of a run. Every file is written whole and
flushed; the journal grows by one line per round.
"""

import itertools
import json
import os
import platform
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TextIO, final

import tomli_w

from server_app.client_list import FILE as CLIENTS
from server_app.client_list import read_clients, write_clients
from server_app.journal import RoundLine, read_round, write_round
from server_app.roster import Client
from strategies.common.errors import RunFolderError
from strategies.common.round import Picture
from strategies.common.settings import RunConfig, app_version, default_config
from strategies.common.task import Task

# Settings that may change between the parts of a resumed run: none of them changes a result.
_FREE_ON_RESUME = {
    "rounds",
    "min-nodes",
    "min-replies",
    "quorum-timeout-s",
    "round-deadline-s",
    "max-report-bytes",
    "compare-with",
    "runs-dir",
    "state-dir",
    "resume",
    "resume-from",
    "run-name",
    "writers",
}
_VERSIONED = ("flwr", "numpy", "torch", "torchvision", "safetensors", "pydantic")


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
        self.path = (runs_dir.expanduser() / name).resolve()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise RunFolderError(
                f"{self.path}: cannot be written ({error.strerror}); make it writable or name "
                f"another folder with runs-dir"
            ) from None

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

    def begin(self, config: RunConfig) -> None:
        """Write the settings of a new run.

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
        # An earlier attempt that completed no round may have had other clients.
        (self.path / CLIENTS).unlink(missing_ok=True)
        versions = {name: version(name) for name in _VERSIONED}
        versions |= {"nectar": app_version(), "python": platform.python_version()}
        started = datetime.now(UTC).replace(microsecond=0)
        settings = dict(sorted(config.items()))
        text = tomli_w.dumps({"started": started, "settings": settings, "versions": versions})
        self.write("settings.toml", text)

    def check_resumable(self, config: RunConfig) -> None:
        """Refuse to resume a run with settings that would change its results.

        Raises
        ------
        RunFolderError
            If there is nothing to resume, or naming the settings that differ.
        """
        try:
            saved = tomllib.loads((self.path / "settings.toml").read_text())["settings"]
        except (OSError, KeyError, tomllib.TOMLDecodeError):
            raise RunFolderError(
                f"{self.path}: holds no run to resume; check run-name and runs-dir, or set "
                f"resume=false"
            ) from None
        now = dict(config)
        free = set(_FREE_ON_RESUME)
        if now.get("schedule", "constant") != "constant":
            # Step sizes follow from how many rounds there are.
            free.discard("rounds")
        # A setting that there was not yet is at its default, which does what was done before.
        before = {**default_config(), **saved}
        differing = [
            f"{key} was {before.get(key)!r} and is {now.get(key)!r}"
            for key in sorted(set(saved) | set(now))
            if key not in free and before.get(key) != now.get(key)
        ]
        if differing:
            raise RunFolderError(
                f"{self.path}: cannot resume with other settings: {'; '.join(differing)}"
            )

    def append(self, line: RoundLine) -> None:
        """Add a round to the journal, down to the disk.

        Raises
        ------
        RunFolderError
            If the disk is full or gone; the lines before are untouched.
        """
        text = write_round(line) + "\n"
        with self._named_errors(), self.journal.open("a") as file:
            _write_through(file, text)

    def last_round(self) -> int:
        """Return the last complete round of the journal; 0 for none."""
        return max((number for number, _ in self._lines()), default=0)

    def forget_after(self, round_number: int) -> None:
        """Cut the journal back to a round, for resuming."""
        kept = [text + "\n" for number, text in self._lines() if number <= round_number]
        self.write("rounds.jsonl", "".join(kept))

    def set_aside_after(self, round_number: int) -> Path | None:
        """Copy the rounds after one into a file of their own, before they are left behind.

        Returns
        -------
        Path | None
            Where they are; ``None`` where there are none.
        """
        later = "".join(f"{text}\n" for number, text in self._lines() if number > round_number)
        if not later:
            return None
        stem = f"{self.journal.name}.before-resume-from-{round_number}"
        names = itertools.chain([stem], (f"{stem}-{count}" for count in itertools.count(2)))
        name = next(name for name in names if not (self.path / name).exists())
        self.write(name, later)
        return self.path / name

    def _lines(self) -> list[tuple[int, str]]:
        """Return the number of every complete round, and its line as it stands."""
        if not self.journal.exists():
            return []
        lines: list[tuple[int, str]] = []
        for text in self.journal.read_text().splitlines():
            try:
                value = json.loads(text)
            except ValueError:
                # A power cut in the middle of a line: the round was not completed.
                break
            line = read_round(value, f"{self.journal} line {len(lines) + 1}")
            lines.append((line.round_number, text))
        return lines

    def save_clients(self, task: Task, clients: Mapping[int, Client]) -> None:
        """Write down who takes part; a client that is away keeps its entry."""
        described = {partition: client.description for partition, client in clients.items()}
        text = write_clients(read_clients(self.path).with_clients(task, described))
        if text != self._clients_text:
            self.write(CLIENTS, text)
            self._clients_text = text

    def write(self, name: str, text: str) -> None:
        """Write a text file whole or not at all.

        Raises
        ------
        RunFolderError
            If it cannot be written; what stood there before is untouched.
        """
        temporary = self.path / f".{name}.tmp"
        with self._named_errors():
            with temporary.open("w") as file:
                _write_through(file, text)
            temporary.replace(self.path / name)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunFolderError(
                f"{self.path}: cannot be written ({error.strerror}); free space on its disk, then "
                f"start the run again with run-name={self.name!r} and resume=true"
            ) from None

    def show_progress(self, **progress: object) -> None:
        """Tell a watcher what is going on; ``progress.json`` is a hint, not a record."""
        temporary = self.path / ".progress.json.tmp"
        temporary.write_text(json.dumps(progress))
        temporary.replace(self.path / "progress.json")

    def save_pictures(self, round_number: int, pictures: tuple[Picture, ...]) -> None:
        """Save what was drawn in a round as PNG files."""
        if not pictures:
            return
        from PIL import Image  # noqa: PLC0415 - most methods draw nothing

        folder = self._drawn_in(round_number)
        folder.mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            pixels = picture.pixels.permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(folder / f"{picture.name}.png")

    def pictures_of(self, round_number: int) -> dict[str, Path]:
        """Return the files of what was drawn in a round, by name."""
        return {file.stem: file for file in sorted(self._drawn_in(round_number).glob("*.png"))}

    def _drawn_in(self, round_number: int) -> Path:
        return self.path / "images" / f"round-{round_number:06d}"


def _write_through(file: TextIO, text: str) -> None:
    file.write(text)
    file.flush()
    os.fsync(file.fileno())
