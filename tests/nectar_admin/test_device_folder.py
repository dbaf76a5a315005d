"""One device's key pair: both halves are of one key, which no other device has."""

import shutil
from pathlib import Path

import pytest

from nectar_admin.__main__ import main
from nectar_admin.key_listing import listing
from tests.nectar_admin.key_folders import NOW, contents, made


def test_a_public_key_of_another_private_key_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = made(tmp_path, "pi-0", "pi-1")
    shutil.copy(keys.device("pi-1").public_key, keys.device("pi-0").public_key)
    before = contents(tmp_path)
    for words in (["keys", "node", str(tmp_path), "pi-0"], ["keys", "show", str(tmp_path)]):
        assert main(words) == 2
        assert "nodes/pi-0: expected node.pub to be of node.key" in capsys.readouterr().err
    assert contents(tmp_path) == before
    # Where the private key is on the device there is nothing to compare.
    keys.device("pi-0").private_key.unlink()
    keys.device("pi-0").read_public_key()


def test_devices_with_one_key_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = made(tmp_path, "pi-0", "pi-1", "pi-2")
    for name in ("node.key", "node.pub"):
        shutil.copy(keys.device("pi-0").path / name, keys.device("pi-2").path / name)
    told = "note: pi-0, pi-2 have the same key, so they are one node to a SuperLink"
    assert any(line.startswith(told) for line in listing(keys, NOW))
    assert main(["keys", "node", str(tmp_path), "pi-1"]) == 0
    assert capsys.readouterr().err.startswith(told)
