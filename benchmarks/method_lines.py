"""Lines of each method: all, of docstrings, and of code, without tests and shared rooms.

Run with ``python -m benchmarks.method_lines [METHOD ...]``. A method is its folder; rooms within
it (``mocosfl/taressfl``) are told apart. What methods share lies in ``strategies/common`` and is
told once, at the end.
"""

import argparse
import ast
from pathlib import Path

from rich.console import Console
from rich.table import Table

from strategies.methods import METHODS

_STRATEGIES = Path("strategies")


def lines_of(file: Path) -> tuple[int, int, int]:
    """Return all lines of a file, those of its docstrings, and the others that say anything."""
    text = file.read_text()
    documented, lines = 0, text.splitlines()
    silent = sum(not line.strip() for line in lines)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            said = node.body[0]
            documented += (said.end_lineno or said.lineno) - said.lineno + 1
            silent -= sum(not line.strip() for line in lines[said.lineno : said.end_lineno])
    return len(lines), documented, len(lines) - documented - silent


def main() -> None:
    """Print one row per file, and a sum per method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=list(METHODS), metavar="METHOD")
    table = Table("method", "file", "lines", "of docstrings", "of code")
    for method in (*parser.parse_args().methods, "common"):
        files = sorted((_STRATEGIES / method).rglob("*.py"))
        if method == "common":
            counts = [lines_of(file) for file in files]
            table.add_row("common", f"{len(files)} files", *_sums(counts), end_section=True)
            continue
        own = [file for file in files if file.parent.name == method]
        for file in own:
            table.add_row("", file.name, *(str(count) for count in lines_of(file)))
        counts = [lines_of(file) for file in own]
        table.add_row(method, f"{len(own)} files", *_sums(counts), end_section=True)
        for room in sorted({file.parent for file in files} - {own[0].parent}):
            counts = [lines_of(file) for file in room.glob("*.py")]
            table.add_row(f"{method}/{room.name}", f"{len(counts)} files", *_sums(counts))
    Console().print(table)


def _sums(counts: list[tuple[int, int, int]]) -> list[str]:
    return [str(sum(column)) for column in zip(*counts, strict=True)]


if __name__ == "__main__":
    main()
