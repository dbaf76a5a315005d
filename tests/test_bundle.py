"""The app bundle that Flower carries to every node: all of the app, and nothing else."""

import io
import os
import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest
from flwr.cli.build import build_fab_from_disk

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
# Large or changing while it is copied; none of it is in the repository.
UNTRACKED = (".git", ".venv", "__pycache__", "*_cache", ".hypothesis", "runs", "state", "site")
MEBIBYTE = 2**20

# Flower's own patterns; newer releases of pathspec would have them named otherwise.
pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the repository, with run results lying in it as after a federation."""
    copy = tmp_path_factory.mktemp("bundle") / "nectar"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*UNTRACKED))
    for name in ("runs/demo/settings.toml", "state/0/notes.json", "client_app/scratch.json"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("")
    return copy


@pytest.fixture(scope="module")
def bundle(tree: Path) -> bytes:
    return build_fab_from_disk(tree)


def files_of(bundle: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def modules_in(tree: Path) -> dict[str, bytes]:
    paths = (path for package in PACKAGES for path in (tree / package).rglob("*.py"))
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in paths}


def test_the_bundle_holds_the_app_and_nothing_else(tree: Path, bundle: bytes) -> None:
    files = files_of(bundle)
    extra = {"pyproject.toml", "README.md", "LICENSE", ".info/CONTENT"}
    assert set(files) == set(modules_in(tree)) | extra
    # Flower writes these two anew.
    expected = modules_in(tree)
    expected.update({name: (tree / name).read_bytes() for name in ("README.md", "LICENSE")})
    assert {name: files[name] for name in expected} == expected


def test_the_bundle_carries_every_default(tree: Path, bundle: bytes) -> None:
    carried = tomllib.loads(files_of(bundle)["pyproject.toml"].decode())
    ours = tomllib.loads((tree / "pyproject.toml").read_text())
    assert carried["tool"]["flwr"]["app"] == ours["tool"]["flwr"]["app"]


def test_the_bundle_is_small(bundle: bytes) -> None:
    # It crosses the network to every node.
    assert len(bundle) <= 3 * MEBIBYTE


def test_a_module_that_flower_drops_would_be_noticed(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "nectar"
    shutil.copytree(tree, copy)
    dropped = {"strategies/common/test_set.py", "client_app/data/speed_test.py"}
    for name in (*dropped, "generators/speed_tests.py"):
        (copy / name).write_text("")
    assert set(modules_in(copy)) - set(files_of(build_fab_from_disk(copy))) == dropped


IMPORT_ALL = """
import pkgutil
import sys
from importlib import import_module
from pathlib import Path

for package in {packages!r}:
    for found in pkgutil.walk_packages([package], package + "."):
        if not found.name.endswith("__main__"):
            import_module(found.name)
# An editable install puts the checkout last on the path, where a package that the bundle lacks
# would be found.
files = [Path(getattr(module, "__file__", None) or "/") for module in list(sys.modules.values())]
places = [file.relative_to({root!r}) for file in files if file.is_relative_to({root!r})]
ours = [place for place in places if place.parts[0] not in (".venv", "tests")]
assert ours == [], ours
from strategies.common.run_config import default_config, read_run

print(read_run(default_config()).method)
"""


@pytest.mark.thorough
def test_the_bundle_imports_nothing_of_the_repository_beside_it(
    bundle: bytes, tmp_path: Path, fresh_processes: FreshProcesses
) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        archive.extractall(tmp_path)
    done = fresh_processes.run(
        "-c", IMPORT_ALL.format(packages=PACKAGES, root=str(ROOT)), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    declared = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert done.stdout.strip() == declared["tool"]["flwr"]["app"]["config"]["method"]


OWN = "from torch import nn\n\ndef net(inputs, num_classes):\n    return nn.Flatten()\n"
BUILD_OWN = """
from models import catalogue
from strategies.common.inputs import Images
from strategies.common.task import Task

for name in ("own_models/mine.py:net", "own_models.mine:net"):
    print(catalogue.build(name, Task(10, Images(1, 8, 8), 0), 0, seed=1).feature_dim)
"""


def test_a_users_own_model_travels_in_the_bundle(
    tree: Path, tmp_path: Path, fresh_processes: FreshProcesses
) -> None:
    copy, device, elsewhere = (tmp_path / name for name in ("nectar", "device", "elsewhere"))
    shutil.copytree(tree, copy)
    (copy / "own_models" / "mine.py").write_text(OWN)
    with zipfile.ZipFile(io.BytesIO(build_fab_from_disk(copy))) as archive:
        archive.extractall(device)
    elsewhere.mkdir()
    env = {**os.environ, "PYTHONPATH": str(device)}
    done = fresh_processes.run("-c", BUILD_OWN, cwd=elsewhere, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["64", "64"]
