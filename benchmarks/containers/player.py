"""Runs that are played in the lab, and the same ones simulated."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from rich.console import Console

from benchmarks.containers.failure import CheckError
from benchmarks.containers.journals import Line, complete_lines
from local_federation.campaign import Campaign
from local_federation.containers import RUNS, Lab
from local_federation.host import Settings

CLIENTS: Final = 3
_ROUND_S: Final = 900.0
_POLL_S: Final = 3.0


@final
class Player:
    """Plays runs on a lab that is up.

    Parameters
    ----------
    lab : Lab
        Where they are played.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def play(self, name: str, method: str, settings: Settings) -> list[Line]:
        """Play a run to its end and return its journal.

        Raises
        ------
        CheckError
            If it does not come to its end.
        """
        with self.playing(name, method, settings) as run:
            return run.finish()

    @contextmanager
    def playing(self, name: str, method: str, settings: Settings) -> Iterator["PlayedRun"]:
        """Start a run for the length of a block.

        Parameters
        ----------
        name : str
            Of the run; one of before is replaced.
        method : str
            Key of ``METHODS``.
        settings : Settings
            Those that differ from the lab's, ``rounds`` among them.
        """
        words = ["--replace", "--no-baseline", "--name", name, "--method", method]
        words += [w for key in settings for w in ("--set", f"{key}={json.dumps(settings[key])}")]
        command = self._lab.compose("run", "--rm", "--no-deps", "-T", "run", *words)
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:  # noqa: S603 - our own
            try:
                yield PlayedRun(self._lab, name, int(settings["rounds"]), process)
            finally:
                process.terminate()


@final
class PlayedRun:
    """A run that goes on.

    Parameters
    ----------
    lab : Lab
        Where it is played.
    name : str
        Its name.
    rounds : int
        Its last round.
    process : subprocess.Popen[bytes]
        Ends when it ends.
    """

    def __init__(
        self, lab: Lab, name: str, rounds: int, process: "subprocess.Popen[bytes]"
    ) -> None:
        self._lab = lab
        self._name = name
        self._rounds = rounds
        self._process = process

    def journal(self) -> list[Line]:
        """Return the lines that there are."""
        words = self._lab.inside("superexec", "cat", f"{RUNS}/{self._name}/rounds.jsonl")
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        return complete_lines(done.stdout)

    def await_round(self, number: int) -> list[Line]:
        """Wait for the end of a round and return the journal.

        Raises
        ------
        CheckError
            If the run ends first, or takes longer than any round may.
        """
        until = time.monotonic() + _ROUND_S
        while True:
            # Before the journal is read, or a last line that comes in between would be missed.
            ended = self._process.poll() is not None
            journal = self.journal()
            if len(journal) >= number:
                return journal
            if ended or time.monotonic() > until:
                raise CheckError(
                    f"run {self._name}: expected round {number}, got {len(journal)} rounds "
                    f"{'and its end' if ended else f'in {_ROUND_S:.0f} s more'}"
                )
            time.sleep(_POLL_S)

    def reach(self, number: int) -> None:
        """Wait for the end of a round after which others are to come.

        Raises
        ------
        CheckError
            As :meth:`await_round`, and if the run is over by then.
        """
        if len(self.await_round(number)) >= self._rounds:
            raise CheckError(f"run {self._name}: expected rounds after {number}, it was over")

    def finish(self) -> list[Line]:
        """Wait for the end and return the whole journal.

        Raises
        ------
        CheckError
            If it ends otherwise than after its last round.
        """
        journal = self.await_round(self._rounds)
        if status := self._process.wait(_ROUND_S):
            raise CheckError(f"run {self._name} ended with status {status}")
        return journal


def simulated(folder: Path, name: str, method: str, settings: Settings) -> list[Line]:
    """Return the journal of the same run, simulated by processes of this machine."""
    campaign = Campaign(folder, CLIENTS, "engine", settings, replace=True)
    campaign.play({name: {"method": method}}, Console(quiet=True))
    return complete_lines((folder / name / "rounds.jsonl").read_text())
