"""Devices at a real SuperLink with TLS that admits registered keys only."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_federation.processes import Child, free_port
from local_federation.superlink import environment
from nectar_admin.__main__ import main
from nectar_admin.key_folder import KeyFolder
from tests.nectar_admin.key_folders import made


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return made(tmp_path / "keys", "pi-0", "pi-1")


@pytest.fixture
def superlink(keys: KeyFolder, tmp_path: Path) -> Iterator[str]:
    """Yield the address of a SuperLink that is starting."""
    port = free_port()
    command = ["flower-superlink", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--ssl-ca-certfile", str(keys.server / "ca.crt")]
    command += ["--ssl-certfile", str(keys.server / "server.crt")]
    command += ["--ssl-keyfile", str(keys.server / "server.key")]
    command += ["--enable-supernode-auth", "--isolation", "process"]
    command += ["--superexec-auth-secret-file", str(keys.server / "superexec.secret")]
    command += ["--database", str(tmp_path / "superlink.db")]
    command += ["--disable-runtime-dependency-installation"]
    child = Child("superlink", command, tmp_path / "superlink.log", environment(tmp_path / "flwr"))
    try:
        yield f"127.0.0.1:{port}"
    finally:
        child.stop()


@pytest.mark.thorough
def test_devices_come_and_go(
    keys: KeyFolder, superlink: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(action: str, *words: str) -> tuple[int, str, str]:
        status = main(["devices", action, str(keys.path), "--superlink", superlink, *words])
        told = capsys.readouterr()
        return status, told.out, told.err

    def listed() -> list[dict[str, Any]]:
        _, told, _ = run("list", "--json")
        return json.loads(told)

    status, told, waiting = run("add", "--wait", "60")
    assert status == 0, waiting
    assert "waiting for the SuperLink at" in waiting
    first, second = (keys.device(name).known_id() for name in ("pi-0", "pi-1"))
    assert told == f"pi-0: registered as node {first}\npi-1: registered as node {second}\n"
    assert run("add", "pi-1")[:2] == (0, f"pi-1: is registered already, as node {second}\n")
    assert [(d["name"], d["node_id"], d["status"]) for d in listed()] == [
        ("pi-0", str(first), "registered"),
        ("pi-1", str(second), "registered"),
    ]

    status, told, _ = run("remove", "pi-0")
    assert (status, "Its key is void for ever" in told) == (0, True)
    assert [(d["name"], d["status"]) for d in listed()] == [
        ("pi-0", "unregistered"),
        ("pi-1", "registered"),
    ]
    # Flower never takes the key again, whatever is kept here.
    keys.device("pi-0").removed.unlink()
    status, done, told = run("add", "pi-0", "pi-1")
    assert (status, "pi-0: was removed" in told, done.split(":")[0]) == (2, True, "pi-1")
    # All that are left are let in already.
    assert run("add")[:2] == (0, f"pi-1: is registered already, as node {second}\n")
