"""The house rules that no linter checks: imports, package files, complete methods, targets."""

import ast
import inspect
import os
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import import_guard
import pytest

from client_app.data import prepared
from client_app.half import client_half
from strategies import methods
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.run_config import default_config, read_run, read_table
from strategies.common.settings import RunSettings, Settings
from strategies.common.simulated import SimulatedSettings
from strategies.common.split.settings import SplitSettings
from tests.fresh_processes import FreshProcesses

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "server_app",
    "client_app",
    "strategies",
    "generators",
    "models",
    "own_models",
    "pickles",
)
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONFIG: dict[str, Any] = PYPROJECT["tool"]["flwr"]["app"]["config"]
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]
INSTALL = "import_guard.install()\n"
Fresh = Callable[[str], subprocess.CompletedProcess[str]]


# What a device imports


@pytest.fixture
def fresh_process(
    fresh_processes: FreshProcesses, tmp_path: Path
) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Return what runs a program that has the guard at hand."""
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))),
        "FLWR_HOME": str(tmp_path),
        "FLWR_TELEMETRY_ENABLED": "0",
    }
    return lambda code: fresh_processes.run(
        "-c", f"import import_guard\n{code}", cwd=tmp_path, env=env
    )


def test_a_device_imports_neither_server_code_nor_heavy_libraries(fresh_process: Fresh) -> None:
    done = fresh_process(f"{INSTALL}import_guard.import_client_halves()")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"strategies.{name}.client" for name in methods.METHODS]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("strategies.fedproto.server", "strategies.fedproto.server"),
        ("server_app.main", "server_app"),
        ("generators.build", "generators"),
        ("matplotlib.pyplot", "matplotlib"),
    ],
)
def test_the_guard_refuses_what_a_device_must_not_import(
    name: str, told: str, fresh_process: Fresh
) -> None:
    for code in (f"{INSTALL}import {name}", f"import {told}\n{INSTALL}"):
        done = fresh_process(code)
        assert done.returncode == 1
        assert done.stderr.endswith(f"RuntimeError: a device imported {told}\n")


def play_round(folder: Path) -> str:
    return f"import pathlib\nimport_guard.play_round(pathlib.Path({str(folder)!r}))"


def test_a_round_on_prepared_data_needs_torch_alone(tmp_path: Path, fresh_process: Fresh) -> None:
    settings = read_run(import_guard.round_config(tmp_path))
    prepared.load(settings, settings.data, 0, 2, tmp_path / "prepared")
    done = fresh_process(INSTALL + play_round(tmp_path))
    assert done.returncode == 0, done.stderr
    # 40 samples, of which a quarter is for testing.
    assert done.stdout.strip() == "trained on 30 samples"


@pytest.mark.thorough
def test_a_round_that_prepares_its_data_is_noticed(tmp_path: Path, fresh_process: Fresh) -> None:
    done = fresh_process(play_round(tmp_path))
    assert done.returncode == 1
    assert "RuntimeError: a round on prepared data imported sklearn" in done.stderr


# Package files


def only_a_docstring(source: str) -> bool:
    module = ast.parse(source)
    return len(module.body) == 1 and ast.get_docstring(module) is not None


@pytest.mark.parametrize("package", PACKAGES)
def test_package_files_hold_a_docstring_and_nothing_else(package: str) -> None:
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    files = {folder / "__init__.py" for folder in folders}
    assert ROOT / package / "__init__.py" in files
    assert [file for file in sorted(files) if not file.is_file()] == []
    assert [file for file in sorted(files) if not only_a_docstring(file.read_text())] == []


@pytest.mark.parametrize("source", ["", "import os", '"""Doc."""\nimport os', '"""Doc."""\nX = 1'])
def test_anything_beside_a_docstring_is_noticed(source: str) -> None:
    assert only_a_docstring('"""Doc."""\n\n# A comment.\n')
    assert not only_a_docstring(source)


# Methods and settings


def settings_classes() -> Iterator[tuple[str, type[Settings]]]:
    """Yield the name of the table and the class of all settings but the general ones."""
    yield "split", SplitSettings
    yield "adapters", AdapterSettings
    yield "simulated", SimulatedSettings
    for package in ("strategies", "generators"):
        for file in sorted((ROOT / package).glob("*/settings.py")):
            table = file.parent.name
            if table == "common":
                continue
            module = import_module(f"{package}.{table}.settings")
            for _, kind in inspect.getmembers(module, inspect.isclass):
                if issubclass(kind, Settings) and kind.__module__ == module.__name__:
                    yield table, kind


SETTINGS = dict(settings_classes())


def keys(kind: type[Settings]) -> set[str]:
    return {str(field.alias) for field in kind.model_fields.values()}


@pytest.mark.parametrize("name", methods.METHODS)
def test_a_method_is_complete(name: str) -> None:
    folder = ROOT / "strategies" / name
    config = {**default_config(), "method": name}
    half = client_half(read_run(config), config)
    phases = [half.phase(round_number) for round_number in (1, 2, 3)]
    wires = {kind.__module__ for phase in phases for kind in (phase.up, phase.down) if kind}
    # Methods that send the same thing share its description; phases are a method's own.
    assert (folder / "wire.py").is_file() or f"strategies.{name}.wire" not in wires
    assert wires or not (folder / "wire.py").is_file()
    assert wires <= {f"strategies.{name}.wire", "strategies.common.adapters.wire"}
    assert SETTINGS[name].__name__ == f"{methods.METHODS[name]}Settings"
    assert (name in CONFIG) is bool(SETTINGS[name].model_fields)
    assert sorted((ROOT / "tests" / "strategies" / name).glob("test_*.py"))


def test_each_table_holds_exactly_the_settings_of_its_class() -> None:
    tables = {key: set(value) for key, value in CONFIG.items() if isinstance(value, dict)}
    assert tables == {table: keys(kind) for table, kind in SETTINGS.items() if kind.model_fields}
    general = {key for key, value in CONFIG.items() if not isinstance(value, dict)}
    assert general == keys(RunSettings)


@pytest.mark.parametrize("table", ["", *SETTINGS])
def test_defaults_stand_in_pyproject_alone_and_are_allowed(table: str) -> None:
    kind = SETTINGS[table] if table else RunSettings
    assert [key for key, field in kind.model_fields.items() if not field.is_required()] == []
    if table:
        read_table(default_config(), table, kind)
    else:
        read_run(default_config())


def method_names(source: str) -> list[str]:
    """Return the strings of a module that name a method or a key of its table."""
    strings = {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    tables = tuple(f"{name}." for name in methods.METHODS)
    return sorted(s for s in strings if s in methods.METHODS or s.startswith(tables))


def test_the_server_names_no_method() -> None:
    named = {
        str(path.relative_to(ROOT)): found
        for path in sorted((ROOT / "server_app").rglob("*.py"))
        if (found := method_names(path.read_text()))
    }
    assert named == {}


@pytest.mark.parametrize("source", ['method == "local"', 'settings.get("feddat.inference")'])
def test_a_method_that_is_named_is_noticed(source: str) -> None:
    assert len(method_names(source)) == 1


def test_the_import_contracts_name_every_method() -> None:
    every = {f"strategies.{name}" for name in (*methods.METHODS, methods.AUGMENTATION)}
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    (independent,) = (entry for entry in contracts if entry["type"] == "independence")
    assert set(independent["modules"]) == every
    (shared,) = (c for c in contracts if c.get("source_modules") == ["strategies.common"])
    assert set(shared["forbidden_modules"]) == {"strategies.methods", *every}


# The tests themselves


def test_tests_of_one_file_stay_on_one_worker(request: pytest.FixtureRequest) -> None:
    # pytest-xdist writes a group behind the test's name; without it, plays are played twice.
    grouped = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith("@test_architecture") is grouped


# Make targets


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def mentioned(text: str) -> set[str]:
    """Return the targets of ``make`` commands in a document's code, not in its prose."""
    fenced = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
    blocks = fenced.findall(text)
    rest = fenced.sub("", text)
    code = [line for block in blocks for line in block.splitlines()]
    code += re.findall(r"^ {4,}(.*)", rest, re.MULTILINE) + re.findall(r"`([^`]+)`", rest)
    found = (re.match(r"\s*(?:\$ )?make((?: +[A-Za-z_-][\w.=-]*)+)", line) for line in code)
    words = [word for match in found if match for word in match[1].split()]
    return {word for word in words if "=" not in word and not word.startswith("-")}


def test_the_makefile_has_the_promised_targets() -> None:
    promised = {"install", "demo", "federation", "test", "check", "format"}
    assert promised <= targets()
    (phony,) = re.findall(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    # A file called "test" must not stop make test.
    assert set(phony.split()) == targets()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_only_targets_that_exist(document: str) -> None:
    named = mentioned((ROOT / document).read_text())
    assert named, f"{document} tells no make command"
    assert named <= targets()


def test_commands_are_told_from_prose() -> None:
    text = (
        "You make sure of it; `make demo`, `make PYTHON=python3.12 install` or\n"
        "make do with:\n\n    make test  # unit\n    $ make -j format check\n\n"
        "```sh\nmake federation\n```\n"
    )
    assert mentioned(text) == {"demo", "install", "test", "format", "check", "federation"}
