"""Progress of long work: a bar on a terminal, a line now and then where nothing can move."""

import sys
import time
from types import TracebackType
from typing import Final, Self, final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

# Seconds between two lines: often enough to see that it goes on, seldom enough for a log.
TELL_S: Final = 10.0


@final
class LongWork:
    """Tells how far work has come, between ``__enter__`` and ``__exit__``.

    Parameters
    ----------
    what : str
        What is done, as in "pretraining".
    total : int
        Steps that it takes.
    console : Console
        Where to tell it.
    """

    def __init__(self, what: str, total: int, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
        )
        still = not console.is_terminal
        self._bars = Progress(
            *columns,
            console=console,
            transient=True,
            disable=still,
            # Results that go to a file or a pipe are not to be drawn above the bar instead.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._bar = self._bars.add_task(what, total=total, told="")
        # On a terminal the bar is seen, and no line is ever due.
        self._due = time.monotonic() + TELL_S if still else float("inf")

    def __enter__(self) -> Self:
        """Begin to show it."""
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Show it no longer."""
        self._bars.stop()

    def advance(self, steps: int = 1, told: str = "") -> None:
        """Count what is done now, and say how it stands.

        Parameters
        ----------
        steps : int
            Done since the last time.
        told : str
            A word on it, such as a loss.
        """
        self._bars.update(self._bar, advance=steps, told=told)
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + TELL_S
            self._bars.console.print(self._line(told), highlight=False, soft_wrap=True)

    def _line(self, told: str) -> str:
        task = self._bars.tasks[self._bar]
        parts = [f"{task.description} {int(task.completed)}/{int(task.total or 0)}"]
        parts += [told] if told else []
        if task.remaining:
            parts.append(f"{TimeRemainingColumn().render(task)} left")
        return " · ".join(parts)
