"""The tutorials in CONTRIBUTING.md, followed to the letter in a copy of the project.

A heading that names a Python file is followed by its text; a sentence that ends in "In `file`,
under `line`:" or "above `line`:" is followed by what is put there.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fresh_processes import FreshProcesses

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "server_app",
    "client_app",
    "strategies",
    "models",
    "own_models",
    "pickles",
    "generators",
    "taressfl",
    "local_federation",
    "docs_site",
)
FILE = re.compile(r"^### \d\. `([^`]+\.py)`.*?```python\n(.*?)```", re.MULTILINE | re.DOTALL)
EDIT = re.compile(
    r"In `([^`]+)`, (under|above)( each)? `([^`]+)`:\n\n((?:    .*\n)+)", re.MULTILINE
)
METHOD = "strategies/fedmean/"
MOST_LINES = 90


def dedented(block: str) -> str:
    """Return a block of a page without the four blanks that make it code."""
    return "".join(line[4:] for line in block.splitlines(keepends=True))


def written(text: str) -> dict[str, str]:
    """Return the files that a page tells to write, by path."""
    return dict(FILE.findall(text))


def edit(folder: Path, text: str) -> int:
    """Put in what a page tells to put in; return how often it does."""
    told = EDIT.findall(text)
    for name, where, each, line, block in told:
        file = folder / name
        before = file.read_text()
        assert before.count(f"{line}\n") == (3 if each else 1), f"{name}: {line}"
        new = dedented(block)
        put = f"{line}\n{new}" if where == "under" else f"{new}\n{line}\n"
        file.write_text(before.replace(f"{line}\n", put))
    return len(told)


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "CONTRIBUTING.md").read_text()


@pytest.fixture(scope="module")
def project(text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which all tutorials were followed."""
    folder = tmp_path_factory.mktemp("project")
    for name in (*PACKAGES, "tests/strategies"):
        shutil.copytree(ROOT / name, folder / name)
    for file in (ROOT / "pyproject.toml", *(ROOT / "tests").glob("*.py")):
        shutil.copy2(file, folder / file.relative_to(ROOT))
    # What mypy found out of the rest of the project still holds.
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache")
    for name, body in written(text).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(body)
    assert edit(folder, text) >= 3
    return folder


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_toy_method_is_short(text: str) -> None:
    own = [body for name, body in written(text).items() if name.startswith(METHOD)]
    assert len(own) == 5
    assert sum(len(body.splitlines()) for body in own) <= MOST_LINES


@pytest.mark.xdist_group("tutorial")
def test_what_the_tutorials_write_is_well_formed(text: str, project: Path) -> None:
    files = sorted(written(text))
    run(project, "-m", "ruff", "check", "--no-cache", *files)
    run(project, "-m", "ruff", "format", "--check", "--no-cache", *files)


@pytest.mark.static
@pytest.mark.xdist_group("tutorial")
def test_what_the_tutorials_write_is_typed(text: str, project: Path) -> None:
    run(project, "-m", "mypy", *(name for name in written(text) if not name.startswith("tests/")))


@pytest.mark.static
@pytest.mark.xdist_group("tutorial")
def test_what_the_tutorials_write_keeps_the_import_contracts(project: Path) -> None:
    run(project, "-c", "from importlinter.cli import lint_imports_command as c; c()")


@pytest.mark.thorough
@pytest.mark.xdist_group("tutorial")
@pytest.mark.federation
def test_what_the_tutorials_write_passes_its_tests(
    text: str, project: Path, fresh_processes: FreshProcesses
) -> None:
    files = [name for name in written(text) if "/test_" in name]
    done = fresh_processes.run("-m", "pytest", "-q", *files, cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_method_may_derive_from_is_what_its_examples_derive_from() -> None:
    """Each row names classes, and methods whose halves have them."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    begin = page.index("| Clients and server | client half")
    rows = page[begin : page.index("\n\n", begin)].splitlines()[2:]
    assert len(rows) > 5
    for row in rows:
        _, client, server, methods = (cell.strip() for cell in row.strip("|").split("|"))
        for method in re.findall(r"`(\w+)`", methods):
            for half, named in (("client", client), ("server", server)):
                text = (ROOT / "strategies" / method / f"{half}.py").read_text()
                for base in re.findall(r"`(\w+)`", named):
                    assert re.search(rf"class \w+{half.capitalize()}\({base}\[", text), (row, base)
