"""Clients that Ray deals to two of its nodes, here on one machine, give the same numbers."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from deployed.test_parity import MESSAGE, assert_ray_agrees, over_loopback
from loopback import without_clocks

from local_federation.processes import free_port

pytestmark = [pytest.mark.deployed, pytest.mark.thorough, pytest.mark.timeout(600)]

_NAME, _RAY = "nodes", str(Path(sys.executable).with_name("ray"))


def _start(*options: str) -> subprocess.Popen[bytes]:
    # A core each, so that two clients at work are on both.
    common = ("--block", "--num-cpus", "1", "--node-ip-address", "127.0.0.1")
    return subprocess.Popen([_RAY, "start", *common, *options], stdout=subprocess.DEVNULL)


def _status(address: str) -> str:
    command = [_RAY, "status", "--address", address]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def _sees_both_at_work(address: str, over: Event) -> bool:
    while not over.is_set():
        if "2.0/2.0 CPU" in _status(address):
            return True
    return False


@pytest.fixture
def cluster() -> Iterator[str]:
    """Yield the address of two Ray nodes."""
    address = f"127.0.0.1:{free_port()}"
    head = ["--head", "--port", address.partition(":")[2], "--include-dashboard", "false"]
    started = [_start(*head)]
    try:
        for count in (1, 2):
            until = time.monotonic() + 60
            while _status(address).count(" node_") < count:
                assert time.monotonic() < until, f"no {count} Ray nodes at {address}"
                time.sleep(0.5)
            if count == 1:
                started.append(_start("--address", address))
        yield address
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(30)


def test_two_ray_nodes_give_the_digits_of_one_process(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = without_clocks(over_loopback(tmp_path / "loop", _NAME, MESSAGE))
    monkeypatch.setenv("RAY_ADDRESS", cluster)
    over = Event()
    with ThreadPoolExecutor(1) as watcher:
        both = watcher.submit(_sees_both_at_work, cluster, over)
        try:
            assert_ray_agrees(tmp_path, _NAME, MESSAGE, expected)
        finally:
            over.set()
    assert both.result()
