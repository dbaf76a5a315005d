"""Units as files: what systemd makes of them, and that they call what is there."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
COMMON = FOLDER / "nectar-.service.d" / "10-common.conf"
_ANALYZE = shutil.which("systemd-analyze")
_WITH_SYSTEMD = pytest.mark.skipif(_ANALYZE is None, reason="this machine has no systemd-analyze")


def settings_of(path: Path) -> list[tuple[str, str]]:
    joined = path.read_text().replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if re.match(r"\w+=", line)]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def test_every_unit_is_for_the_device_or_for_the_server() -> None:
    assert [unit.stem for unit in UNITS] == [
        "nectar-proxy",
        "nectar-server-superexec",
        "nectar-superexec",
        "nectar-superlink",
        "nectar-supernode",
    ]
    installer = (FOLDER / "install.sh").read_text()
    for unit in UNITS:
        assert unit.name in installer


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_restarted_always_and_waits_between(unit: Path) -> None:
    own, common = dict(settings_of(unit)), dict(settings_of(COMMON))
    assert common["Restart"] == "always"
    assert common["StartLimitIntervalSec"] == "0"
    assert int(own["RestartSec"]) >= 5
    assert "Restart" not in own


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_filter_of_system_calls_begins_with_what_is_allowed(unit: Path) -> None:
    # A list that begins with what is denied allows all else.
    filters = [value for name, value in settings_of(unit) if name == "SystemCallFilter"]
    assert filters[0] == "@system-service"
    assert all(value.startswith("~@privileged") for value in filters[1:])
    assert not [name for name, _ in settings_of(COMMON) if name == "SystemCallFilter"]


def test_the_hub_is_reached_over_loopback_alone() -> None:
    hub = dict(settings_of(FOLDER / "nectar-superlink.service"))
    assert "--host 127.0.0.1" in hub["ExecStart"]
    assert (hub["IPAddressDeny"], hub["IPAddressAllow"]) == ("any", "localhost")
    assert "--enable-supernode-auth" in hub["ExecStart"]
    assert "--insecure" not in hub["ExecStart"]


def test_a_hub_that_is_started_anew_does_not_end_the_run() -> None:
    # What is part of the hub would be stopped with it, and the server half of the run within.
    server_half = dict(settings_of(FOLDER / "nectar-server-superexec.service"))
    assert "PartOf" not in server_half
    hub = dict(settings_of(FOLDER / "nectar-superlink.service"))
    assert "nectar-server-superexec.service" in hub["Wants"]


def test_no_secret_stands_on_a_command_line() -> None:
    for unit in UNITS:
        command = dict(settings_of(unit))["ExecStart"]
        for option in re.findall(r"--[\w-]*(?:key|secret)[\w-]* (\S+)", command):
            assert option.startswith("/etc/nectar/")


def offline(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Ask systemd about units in a folder, with what they call in place."""
    assert _ANALYZE is not None
    return subprocess.run(
        [_ANALYZE, *arguments],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def placed(tmp_path: Path) -> Path:
    """Return units whose programs are there: /bin/true in the place of each."""
    folder = tmp_path / "units"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("*.sh", "*.example"))
    for unit in folder.glob("*.service"):
        text = re.sub(r"/opt/nectar/current/bin/\S+|/usr/sbin/nginx", "/bin/true", unit.read_text())
        unit.write_text(text)
    return folder


@_WITH_SYSTEMD
def test_systemd_finds_no_fault(placed: Path) -> None:
    done = offline(["verify", *map(str, sorted(placed.glob("*.service")))], placed)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@_WITH_SYSTEMD
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_a_unit_well_shut_in(unit: Path, placed: Path) -> None:
    done = offline(["security", "--offline=yes", "--no-pager", str(placed / unit.name)], placed)
    said = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert said is not None, done.stderr
    assert float(said[1]) <= 2.0
