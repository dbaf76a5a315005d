"""Places in home folders: one's own is found, and one that is nobody's is refused by name."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from client_app import main
from client_app.backbones import loading
from client_app.data import sources
from client_app.exporting import found, opened, server_run
from client_app.node import read_node, state_folder
from generators import build
from models import own
from server_app.run_folder import RunFolder
from strategies.common.errors import StoreError
from strategies.common.home import expanded
from strategies.common.run_config import default_config, read_run

NOBODY = "~nobody-of-that-name/x"
OWN = own.parse("models", f"{NOBODY}.py:Net")
NODE = {"partition-id": 0, "num-partitions": 1, "state-dir": NOBODY}


def test_ones_own_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/models/cnn") == tmp_path / "models" / "cnn"
    assert expanded(Path("models/~cnn")) == Path("models/~cnn")


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (lambda: found.find(Path(NOBODY), None), NOBODY),
        (lambda: opened.open_model(Path(NOBODY)), NOBODY),
        (lambda: server_run.read(Path(NOBODY), {}), f"--server {NOBODY}"),
        (lambda: state_folder(read_node(NODE), read_run(default_config())), f"state-dir {NOBODY}"),
        (lambda: sources.parse(f"folder:{NOBODY}").folder, f"data folder:{NOBODY}"),
        (lambda: loading.check_here(f"folder:{NOBODY}"), f"backbone folder:{NOBODY}"),
        (lambda: own.find(OWN), f"model {NOBODY}.py"),
        (lambda: build.check_here(f"stylegan:{NOBODY}", default_config()), f"generator {NOBODY}"),
        (lambda: RunFolder(Path(NOBODY), "first"), f"setting runs-dir: {NOBODY}"),
    ],
)
def test_nobodys_home_is_refused_wherever_a_place_is_named(
    read: Callable[[], Any], told: str
) -> None:
    with pytest.raises((StoreError, own.NotHereError)) as refused:
        read()
    asked = f"{told}: expected a home folder of that name, found none; name it in full"
    assert str(refused.value) == asked


def test_a_model_in_a_home_that_only_devices_have_is_let_pass() -> None:
    own.check_here(OWN)


def test_what_a_device_was_told_is_looked_at_for_places_all_the_same() -> None:
    context: Any = SimpleNamespace(run_config={"data": f"folder:{NOBODY}"}, node_config={})
    assert str(Path(NOBODY).absolute()) in main._places(context)
