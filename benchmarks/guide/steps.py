"""What can be done with a block of the guide, and whether all that it tells is done.

A block that is neither followed nor left out with a reason is a fault, and so is a step whose block
is gone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from benchmarks.guide.outcomes import Look
from benchmarks.guide.told import Told


@final
@dataclass(frozen=True)
class Follow:
    """Run a block, or a command of the table, on a machine.

    Attributes
    ----------
    where : str
        The heading above the block, or the question of the row.
    begins : str
        How it begins.
    machine : str
        Where it is run.
    folder : str
        In which folder, where an earlier block has led.
    instead : tuple[tuple[str, str], ...]
        What stands in the guide, and what this machine puts in its place.
    """

    where: str
    begins: str
    machine: str
    folder: str = "~"
    instead: tuple[tuple[str, str], ...] = ()


@final
@dataclass(frozen=True)
class Put:
    """Write a block into a file, which the guide names.

    Attributes
    ----------
    where, begins, machine : str
        As of ``Follow``.
    file : str
        The file.
    """

    where: str
    begins: str
    machine: str
    file: str


@final
@dataclass(frozen=True)
class LeaveOut:
    """Do not follow a block, any of a section, or a row.

    Attributes
    ----------
    where, begins : str
        As of ``Follow``.
    why : str
        The reason.
    """

    where: str
    begins: str
    why: str


@final
@dataclass(frozen=True)
class Given:
    """Do what the guide takes for granted.

    Attributes
    ----------
    machine : str
        Where.
    text : str
        Commands.
    why : str
        What they stand for.
    """

    machine: str
    text: str
    why: str


@final
@dataclass(frozen=True)
class Check:
    """Look whether it is as the guide says.

    Attributes
    ----------
    machine : str
        Where.
    what : str
        What is looked at.
    look : Look
        Looks.
    """

    machine: str
    what: str
    look: Look


Step = Follow | Put | LeaveOut | Given | Check


@final
@dataclass(frozen=True)
class AtOnce:
    """Walk on several machines at the same time.

    Attributes
    ----------
    lines : tuple[tuple[Step, ...], ...]
        What is done one after another, by machine.
    """

    lines: tuple[tuple[Step, ...], ...]


Plan = Sequence[Step | AtOnce]


def each(plan: Plan) -> Iterator[Step]:
    """Yield all steps of a plan."""
    for step in plan:
        if isinstance(step, AtOnce):
            for line in step.lines:
                yield from line
        else:
            yield step


def text_of(step: Follow | Put, guide: Sequence[Told]) -> str:
    """Return what the guide says at a step's place, with what the machine puts in its place.

    Raises
    ------
    ValueError
        If it is not there once, or lacks what is to be replaced.
    """
    found = _found(step, guide)
    if len(found) != 1:
        raise ValueError(
            f"{step.where}: expected one command that begins with '{step.begins}', got "
            f"{len(found)}; the guide has changed, so change benchmarks/guide/plan.py"
        )
    text = found[0]
    for before, after in step.instead if isinstance(step, Follow) else ():
        if before not in text:
            raise ValueError(f"{step.where}: expected '{before}' in what begins '{step.begins}'")
        text = text.replace(before, after)
    return text


def faults(guide: Sequence[Told], plan: Plan) -> Iterator[str]:
    """Yield what the guide tells that no step follows or leaves out, and steps that are gone."""
    entries = [step for step in each(plan) if isinstance(step, Follow | Put | LeaveOut)]
    for told in guide:
        if told.texts and not any(_found(entry, [told]) for entry in entries):
            yield f"{told.where}: nothing follows or leaves out: {told.texts[0]}"
    for entry in entries:
        if not isinstance(entry, LeaveOut):
            try:
                text_of(entry, guide)
            except ValueError as error:
                yield str(error)
        elif not _found(entry, guide):
            yield f"{entry.where}: is left out, and not in the guide: '{entry.begins}'"


def _found(entry: Follow | Put | LeaveOut, guide: Sequence[Told]) -> list[str]:
    return [
        text
        for told in guide
        if told.where == entry.where
        for text in told.texts
        if text.startswith(entry.begins)
    ]
