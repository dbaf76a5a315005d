"""A reader that goes away, as ``| head`` does, is no error of the command that prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def unread(*words: str) -> tuple[int, str]:
    """Run Python with an output that nobody reads; return its exit status and what it complains."""
    readable, writable = os.pipe()
    os.close(readable)
    done = subprocess.run(
        [sys.executable, *words],
        stdout=writable,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
    )
    os.close(writable)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("client_app.data", "digits", "--set=max-samples=40"),
        ("client_app.profile", "--image=8", "--width=8", "--steps=1"),
    ],
)
def test_a_command_ends_quietly(words: tuple[str, ...]) -> None:
    assert unread("-m", *words) == (0, "")


@pytest.mark.parametrize(
    ("module", "works"),
    [
        ("client_app.command", "exit_status(lambda: ['a', 'b'])"),
        ("nectar_admin.printing", "say('a') or say('b') or 0"),
        ("nectar_admin.printer", "Printer().print('a') or Printer().print('b') or 0"),
    ],
)
def test_what_is_left_to_say_is_left_unsaid(module: str, works: str) -> None:
    code = f"import sys; from {module} import *; sys.exit({works})"
    assert unread("-c", code) == (0, "")
