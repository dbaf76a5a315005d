"""Write an example as a notebook: ``python -m examples.make_notebook prototypes``.

A line ``# %% Title`` begins a cell; the docstring and the titles become text.
"""

import ast
import json
import sys
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
_MARK = "# %%"


def notebook(source: str) -> str:
    """Return the text of a notebook, in nbformat 4.

    Parameters
    ----------
    source : str
        Text of a module with a docstring, and at least one mark.

    Raises
    ------
    ValueError
        If it has none.
    """
    text = ast.get_docstring(ast.parse(source))
    _, *parts = source.split(f"\n{_MARK}")
    if not text or not parts:
        raise ValueError(f"notebook: expected a docstring and a line '{_MARK} Title', found none")
    cells = [_cell("markdown", text)]
    for part in parts:
        title, _, code = part.partition("\n")
        cells += [_cell("markdown", f"## {title.strip()}"), _cell("code", code.strip())]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        made = notebook((_FOLDER / f"{name}.py").read_text("utf-8"))
        (_FOLDER / f"{name}.ipynb").write_text(made, "utf-8")
