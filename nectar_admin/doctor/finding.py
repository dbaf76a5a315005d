"""One thing that was looked at: what was found, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import final

from rich.console import Console
from rich.markup import escape

from nectar_admin.printing import plain


@final
class Verdict(Enum):
    """How bad it is; the value is the word that stands before the finding, and its style."""

    GOOD = ("ok", "green")
    NOTED = ("note", "yellow")
    FAULT = ("FAULT", "bold red")


@final
@dataclass(frozen=True)
class Finding:
    """What was found.

    Attributes
    ----------
    subject : str
        What was looked at, in a word or two.
    verdict : Verdict
        How bad it is.
    said : str
        What was found.
    cure : str
        What to do; empty where nothing need be done.
    """

    subject: str
    verdict: Verdict
    said: str
    cure: str = ""


def good(subject: str, said: str) -> Finding:
    """Return a finding that needs nothing done."""
    return Finding(subject, Verdict.GOOD, said)


def noted(subject: str, said: str, cure: str = "") -> Finding:
    """Return a finding that does not keep a federation from working."""
    return Finding(subject, Verdict.NOTED, said, cure)


def fault(subject: str, said: str, cure: str) -> Finding:
    """Return a finding that does."""
    return Finding(subject, Verdict.FAULT, said, cure)


def tell(findings: Iterable[Finding], console: Console) -> int:
    """Print findings as they come and return the exit status: 1 with a fault among them, else 0.

    Parameters
    ----------
    findings : Iterable[Finding]
        What was found; servers that nobody has verified may have a word in it.
    console : Console
        Where to print.
    """
    faults = 0
    for finding in findings:
        faults += finding.verdict is Verdict.FAULT
        word, style = finding.verdict.value
        told = escape(plain(f"{finding.subject}: {finding.said}"))
        console.print(f"[{style}]{word:<6}[/] {told}")
        if finding.cure:
            console.print(f"{'':<6} [bold]{escape(plain(finding.cure))}[/]")
    if faults:
        console.print(f"{faults} fault{'s' if faults > 1 else ''} found; mend the first one first")
    else:
        console.print("no faults found")
    return 1 if faults else 0
