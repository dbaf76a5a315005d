"""What carries the clients of runs on this machine, and a run that is on its way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, final

from rich.console import Console

from client_app.data import sources

COMPLETED: Final = "finished:completed"
FAILED: Final = "finished:failed"

# Every setting that differs from the defaults, flat; its run's name among them.
Settings = Mapping[str, bool | int | float | str]


class LocalFederationError(Exception):
    """Something that was started did not come up, or a run failed."""


def check_data(runs: Sequence[Settings]) -> None:
    """Refuse data that all clients of this machine would hold alike.

    Raises
    ------
    SettingsError
        With the source that deals.
    """
    for run in runs:
        if "data" in run:  # the default is dealt
            sources.check_dealt(str(run["data"]))


@final
@dataclass(frozen=True)
class Standing:
    """A SuperLink that somebody else has started.

    Attributes
    ----------
    host : str
        Its name or address.
    port : int
        Its port.
    root_certificates : Path | None
        What its certificate is checked with; ``None`` where it has no TLS.
    """

    host: str
    port: int
    root_certificates: Path | None = None


class Playing(Protocol):
    """A run that is on its way."""

    @property
    def log(self) -> Path:
        """File that takes what it says."""
        ...

    def ended(self, timeout_s: float) -> str | None:
        """Wait for its end and say how it came, in Flower's words; ``None`` if it goes on."""
        ...

    def tail(self, lines: int) -> str:
        """Return the last lines of its log."""
        ...

    def stop(self) -> None:
        """End it if it goes on."""
        ...


class Host(Protocol):
    """Whatever carries clients."""

    def check(self, runs: Sequence[Settings]) -> None:
        """Take note of the runs to come, and refuse any that it cannot carry.

        Nothing is touched yet.

        Raises
        ------
        LocalFederationError, SettingsError
            With what to change.
        """
        ...

    def start(self, console: Console) -> None:
        """Start all that is needed for the runs that were checked.

        Raises
        ------
        LocalFederationError
            If it does not come up.
        """
        ...

    def play(self, settings: Settings) -> Playing:
        """Begin one of these runs; they are begun in their order, one after another."""
        ...

    def stop(self) -> None:
        """Stop all that was started."""
        ...
