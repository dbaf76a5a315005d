"""What prints tables and findings for people; apart, since ``watch`` does without the library."""

from typing import final

from rich.console import Console

from nectar_admin.printing import forget


@final
class Printer(Console):
    """A console that goes on where nobody reads: the library's ends the command as failed.

    Parameters
    ----------
    width : int | None
        Characters of a line; ``None`` takes the terminal's.
    soft_wrap : bool
        Whether lines are left as long as they are.
    """

    def __init__(self, width: int | None = None, *, soft_wrap: bool = False) -> None:
        super().__init__(width=width, highlight=False, emoji=False, soft_wrap=soft_wrap)

    def on_broken_pipe(self) -> None:
        """Print to nobody."""
        forget()
