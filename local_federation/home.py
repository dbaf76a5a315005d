"""What commands of this machine keep beside their runs, whose it is, and what may be removed.

Runs lie in a folder of the user's. Beside them, ``.federation`` is marked as made here; in it
each run has a home for logs and whatever carries its clients, and ``state`` has the clients'
private states by run, and prepared data, which all runs share.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from server_app.run_settings import is_run, is_unsigned
from strategies.common import folder_lock, tensor_file
from strategies.common.errors import RunFolderError

_ROOT: Final = ".federation"
_MARK: Final = "made-by-nectar"
_SAID: Final = "Kept by python -m local_federation; it may be removed while no command plays.\n"


@final
@dataclass(frozen=True)
class Home:
    """Places of the runs of one command.

    Attributes
    ----------
    folder : Path
        Takes the runs, absolute.
    names : tuple[str, ...]
        The runs; all are carried from the home of the last.
    """

    folder: Path
    names: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Takes logs and what the host needs."""
        return self._root / "runs" / self.names[-1]

    @property
    def state(self) -> Path:
        """Takes private states, those of each run in a folder of its name, and prepared data."""
        return self._root / "state"

    @property
    def _root(self) -> Path:
        return self.folder / _ROOT

    def standing(self, *, replace: bool, resume: bool) -> Mapping[str, bool]:
        """Refuse what is in the way, and tell of each run whether it is gone on with.

        Parameters
        ----------
        replace, resume : bool
            What may become of runs that are there: they are played anew, or gone on with.

        Raises
        ------
        RunFolderError
            With what to change.
        """
        if replace and resume:
            raise RunFolderError("expected --replace or --set resume=true, got both; leave one out")
        if self._root.exists() and not self._is_ours():
            raise RunFolderError(
                f"{self._root}: expected a folder that a command made here, found something else, "
                f"which is left alone; move it away, or take another --folder"
            )
        return {name: self._goes_on(name, replace=replace, resume=resume) for name in self.names}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other commands out of these runs; ends with this process.

        Raises
        ------
        RunFolderError
            Naming who plays one of them, or if the folder cannot be written.
        """
        with ExitStack() as stack:
            try:
                self._root.mkdir(parents=True, exist_ok=True)
                (self._root / _MARK).write_text(_SAID)
                # As deep as the states themselves: theirs alone to look into.
                tensor_file.make_private(self.state)
                for name in sorted(self.names):
                    own = self._root / "runs" / name
                    own.mkdir(parents=True, exist_ok=True)
                    stack.enter_context(folder_lock.hold(own, self._refusal(name)))
            except OSError as error:
                raise RunFolderError(
                    f"{self.folder}: cannot be written ({error.strerror}); take another --folder"
                ) from None
            yield

    def clear(self, standing: Mapping[str, bool]) -> None:
        """Remove what earlier plays left of runs that are not gone on with.

        Raises
        ------
        RunFolderError
            If a server plays one of them.
        """
        for name, goes_on in standing.items():
            _remove(self.path / f"replaced-{name}")
            if not goes_on:
                _remove(self.state / name)
                for states in self.path.glob(f"state/*/{name}"):
                    _remove(states)
                self._remove_run(name)
        for old in self.path.iterdir():
            # Private states of nodes outlive whatever carried them.
            if old.name not in (folder_lock.NAME, "state"):
                _remove(old)

    def has_rounds(self, name: str) -> bool:
        """Tell whether a run has complete rounds."""
        journal = self.folder / name / "rounds.jsonl"
        return journal.is_file() and journal.stat().st_size > 0

    def _is_ours(self) -> bool:
        marked = (self._root / _MARK).is_file()
        return marked or (self._root.is_dir() and not any(self._root.iterdir()))

    def _goes_on(self, name: str, *, replace: bool, resume: bool) -> bool:
        run = self.folder / name
        if not run.exists() or is_unsigned(run):
            return False
        if not is_run(run):
            raise RunFolderError(
                f"{run}: expected an earlier run to replace, or nothing, found something else, "
                f"which is left alone; choose another --name or --folder"
            )
        if not self.has_rounds(name) or replace:
            return False
        if not resume:
            raise RunFolderError(
                f"{run}: holds a run already; go on with it by --set resume=true, play it anew by "
                f"--replace, or choose another --name"
            )
        return True

    def _remove_run(self, name: str) -> None:
        run = self.folder / name
        if run.is_dir():
            # One that is played by another door has a server of its own.
            with folder_lock.hold(run, self._refusal(name)):
                aside = self.path / f"replaced-{name}"
                try:
                    # In one step: half a run could neither be gone on with nor replaced.
                    run.rename(aside)
                except OSError:  # a disk of its own
                    aside = run
                shutil.rmtree(aside)

    def _refusal(self, name: str) -> Callable[[str], RunFolderError]:
        return lambda holder: RunFolderError(
            f"{self.folder / name}: this run is played by {holder}; wait for its end, end it, or "
            f"choose another --name"
        )


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
