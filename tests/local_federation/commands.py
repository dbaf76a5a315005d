"""Commands that are called in this process, and engines that start nothing."""

import shlex
import sys
from collections.abc import Callable
from typing import NoReturn

import pytest

from local_federation import command_line, descendants
from local_federation.engine.start import Asked


class StartedError(Exception):
    """It would begin now."""


def refusing(_: Asked) -> NoReturn:
    raise StartedError


def command(
    monkeypatch: pytest.MonkeyPatch, words: str, start: Callable[[Asked], NoReturn] = refusing
) -> int:
    monkeypatch.setattr(sys, "argv", ["local_federation", *shlex.split(words)])
    monkeypatch.setattr(command_line, "keep_orphans", lambda: None)
    if command_line.end_descendants is descendants.end_descendants:
        # Those of the process that tests are others'.
        monkeypatch.setattr(command_line, "end_descendants", lambda _: {})
    return command_line.main(start)
