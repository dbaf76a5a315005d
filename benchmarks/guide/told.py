"""What the guide tells to do: its indented blocks, and the rows of its table of answers."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

_HEADING: Final = re.compile(r"#+ (.*)")
_INDENT: Final = "    "
# What begins the table whose answers are commands.
_ANSWERS: Final = "| question | answer |"
_CODE: Final = re.compile(r"`([^`]+)`")


@final
@dataclass(frozen=True)
class Told:
    """A place of the guide that tells to do something.

    Attributes
    ----------
    where : str
        The heading above a block, or the question of a row.
    texts : tuple[str, ...]
        The block without its indent, or all code of the row's answer.
    """

    where: str
    texts: tuple[str, ...]


def told(guide: str) -> Iterator[Told]:
    """Yield what a guide in Markdown tells to do, in its order.

    What blank lines divide are blocks of their own.

    Parameters
    ----------
    guide : str
        Its text.
    """
    heading, answering = "", False
    before = ""
    block: list[str] = []
    for line in [*guide.splitlines(), ""]:
        if line.startswith(_INDENT) and (block or not before):
            block.append(line.removeprefix(_INDENT))
            continue
        if block:
            yield Told(heading, ("\n".join(block),))
            block = []
        if found := _HEADING.fullmatch(line):
            heading = found[1]
        answering = line.startswith("|") and (answering or line == _ANSWERS)
        if answering and line != _ANSWERS and not line.startswith("|-"):
            question, _, answer = line.strip("| ").partition(" | ")
            yield Told(question, tuple(_CODE.findall(answer)))
        before = line


def commands(text: str) -> list[str]:
    r"""Divide a block into its commands.

    Examples
    --------
    >>> commands("cd a && b \\\n  --c\nd  # e")
    ['cd a && b \\\n  --c', 'd  # e']
    """
    return re.findall(r"(?:.*\\\n)*.+", text)


def script(text: str) -> str:
    """Return a program of bash that says each command of a block, and ends with the first to fail.

    ``set -e`` would pass over ``a && b`` where ``a`` fails.
    """
    lines = ["set -o pipefail"]
    for command in commands(text):
        lines += [f"printf '%s\\n' {shlex.quote(f'$ {command}')}", "{", command, "} || exit"]
    return "\n".join(lines)
