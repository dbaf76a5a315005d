"""The installer: its dry run shows every step, and bad options are refused before any."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "systemd" / "install.sh"
_DEVICE_KEYS = ("node.key", "ca.crt", "superexec.secret")
_SERVER_KEYS = ("server.crt", "server.key", "ca.crt", "superexec.secret")


def called(*words: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", str(SCRIPT), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": path},
    )


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Return a folder with files of the names that a device or a server gets."""
    for name in {*_DEVICE_KEYS, *_SERVER_KEYS}:
        (tmp_path / name).write_text("x")
    return tmp_path


@pytest.fixture
def device(keys: Path) -> list[str]:
    """Return a good call for a device, without changes."""
    return [
        *("device", "--dry-run", "--keys", str(keys), "--superlink", "cloud.example.org:8443"),
        *("--partition", "2", "--of", "3"),
    ]


def test_a_dry_run_shows_what_a_device_gets_and_changes_nothing(device: list[str]) -> None:
    done = called(*device, "--data", "folder:/srv/images", "--model", "resnet8")
    assert done.returncode == 0, done.stderr
    assert "    SUPERLINK=cloud.example.org:8443\n" in done.stdout
    assert (
        '    NODE_CONFIG=partition-id=2 num-partitions=3 state-dir="/var/lib/nectar/state" '
        'data="folder:/srv/images" model="resnet8"\n' in done.stdout
    )
    for name in _DEVICE_KEYS:
        assert re.search(rf"install -m 0640 -o root -g nectar \S+/{name} /etc/nectar/", done.stdout)
    assert "server.key" not in done.stdout
    assert "systemctl restart nectar-supernode.service nectar-superexec.service" in done.stdout
    assert done.stdout.endswith("Nothing was changed: this was a dry run.\n")


def test_a_dry_run_shows_what_a_server_gets(keys: Path) -> None:
    done = called("server", "--dry-run", "--keys", str(keys), "--split-name", "cloud.example.org")
    assert done.returncode == 0, done.stderr
    for name in _SERVER_KEYS:
        assert f"/etc/nectar/{name} " in done.stdout
    assert re.search(r"pip install .* \S+\\\[server\\\]", done.stdout)
    assert "    NECTAR_SPLIT_ADVERTISE=cloud.example.org:9443\n" in done.stdout
    assert "nectar-proxy.service" in done.stdout


@pytest.mark.parametrize(
    ("machine", "role", "file"),
    [
        ("x86_64", "device", "constraints.txt"),
        ("aarch64", "device", "constraints-device.txt"),
        ("aarch64", "server", "constraints.txt"),
    ],
)
def test_a_device_on_arm_gets_a_torch_without_cuda(
    machine: str, role: str, file: str, device: list[str], keys: Path, tmp_path: Path
) -> None:
    (tmp_path / "uname").write_text(f"#!/bin/sh\necho {machine}\n")
    (tmp_path / "uname").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    words = device if role == "device" else ["server", "--dry-run", "--keys", str(keys)]
    told = re.findall(r"--constraint (\S+)", called(*words, path=path).stdout)
    assert told == [str(ROOT / file)]
    own = tmp_path / "own.txt"
    own.touch()
    given = called(*words, "--constraints", str(own), path=path)
    assert re.findall(r"--constraint (\S+)", given.stdout) == [str(own)]


def test_the_hosts_proxy_looks_where_the_hosts_keys_are(keys: Path) -> None:
    done = called("server", "--dry-run", "--keys", str(keys))
    shown = done.stdout.partition("write /etc/nectar/nginx.conf")[2].partition("\n+ ")[0]
    assert "set $hub 127.0.0.1:8000;" in shown
    assert "ssl_certificate_key /etc/nectar/server.key;" in shown
    assert "/etc/nectar/ca.crt" in shown
    assert "/keys" not in shown
    assert "resolver" not in shown
    # A unit's output is a socket of the journal's, which nothing can open.
    assert "/dev/stdout" not in shown
    assert "access_log syslog:" in shown


def test_everything_that_is_copied_lies_in_the_checkout(device: list[str]) -> None:
    copied = re.findall(rf"(?:{re.escape(str(ROOT))})/[\w./-]+", called(*device).stdout)
    assert len(copied) > 15
    assert [path for path in copied if not Path(path).exists()] == []


def changed(words: list[str], change: tuple[str, ...]) -> list[str]:
    """Return a call with an option in the place of its own, or besides."""
    if change[0] not in words:
        return [*words, *change]
    at = words.index(change[0])
    return [*words[:at], *change, *words[at + 2 :]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--superlink", "cloud.example.org"), "--superlink: expected HOST:PORT"),
        (("--superlink", "cloud.example.org:99999"), "--superlink: expected HOST:PORT with a port"),
        (("--superlink", "https://cloud.example.org:1"), "--superlink: expected HOST:PORT"),
        (("--partition", "3"), "--partition: expected less than --of 3, got 3"),
        (("--partition", "-1"), "--partition: expected a whole number from 0, got '-1'"),
        (("--of", "many"), "--of: expected a whole number from 1, got 'many'"),
        (("--of", "9" * 20), "--of: expected a whole number from 1"),
        (("--data", 'folder:/a"b'), "--data: expected no quotes"),
        (("--data", "digits\nX=1"), "--data: expected a value on one line"),
        (("--data", "fodler:/a"), "--data: expected one of digits, parquet:<dir>,"),
        (("--data", "folder"), "--data: expected one of digits, parquet:<dir>,"),
        (("--model", "resnte8"), "--model: expected one of cnn, resnet4,"),
        (("--extras", "server,no-such"), "--extras: expected some of simulation, server,"),
        (("--torch-index", "cpu"), "--torch-index: expected an address"),
        (("--keys", "/nowhere"), "--keys /nowhere: expected node.key in it"),
        (("--python", "python0"), "there is no python0"),
        (("--constraints", "/nowhere"), "--constraints: there is no file /nowhere"),
        (("--colour",), "unknown option --colour"),
        (("--data",), "--data: expected a value"),
        (("--data", "--model"), "--data: expected a value"),
        (("--split-name", "a.example"), "--split-name: 'device' does not read it; expected one of"),
        (("--model", "cnn", "--model", "resnet8"), "--model: expected once, got it twice"),
        (("--no-start", "--no-start"), "--no-start: expected once, got it twice"),
    ],
)
def test_bad_options_are_refused_before_anything_runs(
    change: tuple[str, ...], said: str, device: list[str]
) -> None:
    done = called(*changed(device, change))
    assert done.returncode == 2
    assert said in done.stderr
    assert "+ " not in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("server", "--partition", "1"),
        ("upgrade", "--data", "digits"),
        ("rollback", "--extras", "server"),
        ("remove", "--no-start"),
    ],
)
def test_options_of_other_actions_are_refused(words: tuple[str, ...]) -> None:
    done = called(*words, "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{words[1]}: '{words[0]}' does not read it; expected one of --" in done.stderr


@pytest.mark.parametrize("name", ["http://x:9", "cloud.example.org:9443", "a b"])
def test_the_name_for_split_networks_is_a_host(name: str, keys: Path) -> None:
    done = called("server", "--dry-run", "--keys", str(keys), "--split-name", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--split-name: expected the name by which devices reach this server" in done.stderr


def test_a_model_of_ones_own_may_lie_on_the_device_alone(device: list[str]) -> None:
    done = called(*device, "--model", "/srv/net.py:Net", "--data", "own-csv:~/x.csv")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("missing", ["--keys", "--superlink", "--partition", "--of"])
def test_what_is_needed_is_asked_for(missing: str, device: list[str]) -> None:
    at = device.index(missing)
    done = called(*device[:at], *device[at + 2 :])
    assert done.returncode == 2
    assert f"{missing} is needed: " in done.stderr


def test_what_it_does_not_know_is_refused() -> None:
    done = called("devices", "--dry-run")
    assert done.returncode == 2
    assert "expected device, server, upgrade, rollback or remove, got 'devices'" in done.stderr
    assert called("--help").stdout.startswith("Installs this checkout as services of systemd")
