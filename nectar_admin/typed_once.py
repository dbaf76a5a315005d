"""A command line on which an option that is typed twice is refused: the first would be dropped.

As ``strategies.common.typed_once`` has it, which is not at hand where these commands run.
"""

import argparse
from collections.abc import Sequence
from typing import Any, final


@final
class _Once(argparse.Action):
    """Stores a value, once."""

    _stored_in: argparse.Namespace | None = None

    def __call__(
        self,
        _: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        __: str | None = None,
    ) -> None:
        """Take note of a value.

        Raises
        ------
        argparse.ArgumentError
            If there is one already.
        """
        if self._stored_in is namespace:
            before = getattr(namespace, self.dest)
            raise argparse.ArgumentError(self, f"expected once, got {before} and {values}")
        self._stored_in = namespace
        setattr(namespace, self.dest, values)


@final
class CommandLine(argparse.ArgumentParser):
    """A parser for commands of which no word is dropped in silence.

    Parameters
    ----------
    **options : Any
        Those of ``argparse.ArgumentParser``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # What an option does unless told otherwise; commands within a command are of this class.
        self.register("action", None, _Once)
