"""The tutorial in CONTRIBUTING.md, followed to the letter in a copy of the project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COPIED = ("server_app", "client_app", "strategies", "generators")
FILE = re.compile(r"^### \d\. `([^`]+\.py)`.*?```python\n(.*?)```", re.MULTILINE | re.DOTALL)
LINE = '    "fedmean": "FedMean",\n'
TABLE = "    [tool.flwr.app.config.fedmean]\n    pull-weight = 1.0\n"


@pytest.mark.federation
def test_the_tutorials_method_runs_as_printed(tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert LINE in text
    assert TABLE in text
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests").mkdir()
    for name in ("tests/loopback.py", "tests/answering.py", "tests/conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "tests" / "strategies", tmp_path / "tests" / "strategies")

    files = FILE.findall(text)
    assert len(files) == 6
    for name, body in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(body)
    methods = tmp_path / "strategies" / "methods.py"
    methods.write_text(methods.read_text().replace("METHODS = {\n", f"METHODS = {{\n{LINE}", 1))
    project = tmp_path / "pyproject.toml"
    table = "\n".join(line.strip() for line in TABLE.splitlines())
    project.write_text(project.read_text().replace("[tool.ruff]\n", f"{table}\n\n[tool.ruff]\n", 1))

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/strategies/fedmean"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
