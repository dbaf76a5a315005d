"""Where a run and what belongs to it lie, and what may be done with one that is there."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import final

from server_app.client_list import num_shares
from server_app.run_settings import is_unsigned
from strategies.common import folder_lock
from strategies.common.errors import RunFolderError, SettingsError


@final
@dataclass(frozen=True)
class Places:
    """Folders of one run among others.

    Attributes
    ----------
    folder : Path
        Takes runs, absolute; what they share lies in its folder ``.nectar``.
    name : str
        Name of the run.
    """

    folder: Path
    name: str

    @property
    def run(self) -> Path:
        """What the server writes."""
        return self.folder / self.name

    @property
    def state(self) -> Path:
        """Clients' private states, those of each run in a folder of its name."""
        return self.folder / ".nectar" / "state"

    @property
    def engine(self) -> Path:
        """Logs of the processes that play it."""
        return self.folder / ".nectar" / "engine" / self.name

    def settings(self) -> dict[str, str]:
        """Return the settings that say so."""
        return {
            "run-name": self.name,
            "runs-dir": str(self.folder),
            "state-dir": str(self.state),
        }

    def check(self, *, replace: bool, resume: bool, beside: str) -> bool:
        """Refuse to touch what is not asked to be, and tell whether a run is there to go on with.

        Parameters
        ----------
        replace, resume : bool
            What may be done with a run of this name.
        beside : str
            Another run of the folder that is to be compared with; empty for none.

        Raises
        ------
        RunFolderError
            With what to change.
        """
        if replace and resume:
            raise RunFolderError(
                f"{self.run}: expected replace=True or resume=True, got both; leave one out"
            )
        if beside and not (self.folder / beside / "rounds.jsonl").exists():
            raise RunFolderError(
                f"{self.folder / beside}: holds no run to compare with; play it first, or leave "
                f"compare-with out"
            )
        if not self.run.exists() or self._is_begun():
            return False
        if not self._is_run():
            raise RunFolderError(
                f"{self.run}: expected a run of Nectar (settings.toml and rounds.jsonl) or "
                f"nothing, found something else, which is left alone; choose another name= or "
                f"folder="
            )
        if not replace and not resume:
            raise RunFolderError(
                f"{self.run}: holds a run already; read it with nectar.read, go on with "
                f"resume=True, play it anew with replace=True, or choose another name="
            )
        return resume

    def check_settings(self, clients: int, *, resumes: bool, back_to: int) -> None:
        """Refuse settings with which a run would not go on.

        Parameters
        ----------
        clients : int
            How many are asked for.
        resumes : bool
            What :meth:`check` told.
        back_to : int
            Round after which later ones are left behind; 0 for none.

        Raises
        ------
        SettingsError
            With what to change.
        """
        if back_to and not resumes:
            raise SettingsError(
                f"setting resume-from: expected a run with rounds, of which later ones are left "
                f"behind, found none in {self.run}; name it by name= and folder=, or leave the "
                f"setting out"
            )
        shares = num_shares(self.run) if resumes else 0
        if shares not in (0, clients):
            raise SettingsError(
                f"play: expected clients={shares} to go on with {self.run}, whose data were dealt "
                f"to so many, got {clients}; or begin a run of another name="
            )

    def clear(self, *, resumes: bool) -> None:
        """Remove an earlier run of this name with its states, but for one to go on with.

        Raises
        ------
        RunFolderError
            If another process plays it.
        """
        shutil.rmtree(self.engine, ignore_errors=True)
        if resumes:
            return
        if not self._is_run():
            shutil.rmtree(self.state / self.name, ignore_errors=True)
            return
        with folder_lock.hold(self.run, self._refusal):
            shutil.rmtree(self.state / self.name, ignore_errors=True)
            shutil.rmtree(self.run)

    def _refusal(self, holder: str) -> RunFolderError:
        return RunFolderError(
            f"{self.run}: this run is played by {holder}; wait for its end, end it, or choose "
            f"another name="
        )

    def _is_run(self) -> bool:
        return all((self.run / file).is_file() for file in ("settings.toml", "rounds.jsonl"))

    def _is_begun(self) -> bool:
        """Tell whether nothing is there but what a run leaves that completed no round."""
        settings, journal = (self.run / file for file in ("settings.toml", "rounds.jsonl"))
        return is_unsigned(self.run) or (settings.is_file() and not journal.exists())
