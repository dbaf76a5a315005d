"""The folder with keys: what is in it, for whose eyes, and what a second call leaves as it is."""

import os
import shutil
import stat
import subprocess
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from nectar_admin import private_files
from nectar_admin.errors import AdminError
from nectar_admin.key_folder import KeyFolder
from nectar_admin.key_listing import listing
from tests.nectar_admin.key_folders import HOST, NODE_FILES, NOW, SERVER_FILES, contents, made

ROOT = Path(__file__).parents[2]


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_all_is_there_and_for_its_owner_alone(tmp_path: Path) -> None:
    made(tmp_path / "keys", "pi-0", "pi-1")
    expected = {"ca.key", "ca.crt", *(f"server/{name}" for name in SERVER_FILES)}
    expected |= {f"nodes/pi-{i}/{name}" for i in (0, 1) for name in NODE_FILES}
    assert set(contents(tmp_path / "keys")) == expected
    for path in ((tmp_path / "keys"), *(tmp_path / "keys").rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_secrets_differ_and_are_long(tmp_path: Path) -> None:
    made(tmp_path, "pi-0", "pi-1")
    secrets = {path.read_bytes() for path in tmp_path.rglob("superexec.secret")}
    assert (len(secrets), {len(secret) for secret in secrets}) == (3, {48})


def test_a_second_call_renews_the_servers_certificate_and_keeps_all_else(tmp_path: Path) -> None:
    keys = made(tmp_path, "pi-0")
    before = contents(tmp_path)
    keys.make_server([HOST], 90, NOW)
    assert keys.make_device("pi-0", NOW) is False
    after = contents(tmp_path)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"server/server.crt", "server/server.key"}
    assert after.keys() == before.keys()


def test_what_is_missing_of_a_device_is_made_from_its_key(tmp_path: Path) -> None:
    keys = made(tmp_path, "pi-0")
    before = contents(tmp_path)
    for name in ("node.pub", "superexec.secret", "ca.crt"):
        (tmp_path / "nodes" / "pi-0" / name).unlink()
    assert keys.make_device("pi-0", NOW) is False
    after = contents(tmp_path)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"nodes/pi-0/superexec.secret"}


def test_a_file_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    private_files.write(path, b"before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        private_files.write(path, b"after")
    assert contents(tmp_path) == {"file": b"before"}


def test_what_somebody_who_was_killed_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".file.part").write_bytes(b"half")
    (tmp_path / ".file.part").chmod(0o644)
    private_files.write(tmp_path / "file", b"whole")
    assert contents(tmp_path) == {"file": b"whole"}
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


# Half-made folders


def test_an_authority_without_its_key_is_not_replaced(tmp_path: Path) -> None:
    keys = made(tmp_path, "pi-0")
    keys.authority_key.unlink()
    before = contents(tmp_path)
    for make in (lambda: keys.make_server([HOST], 90, NOW), lambda: keys.make_device("pi-1", NOW)):
        with pytest.raises(
            AdminError, match=r"ca\.crt: is there without .*ca\.key; run this where"
        ):
            make()
    assert contents(tmp_path) == before
    keys.authority_certificate.unlink()
    with pytest.raises(AdminError, match=r"server/ca\.crt: is there without .*ca\.key"):
        keys.make_device("pi-1", NOW)


def test_whoever_was_killed_between_key_and_certificate_may_go_on(tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path)
    made(tmp_path)
    shutil.rmtree(keys.server)
    keys.authority_certificate.unlink()
    key = keys.authority_key.read_bytes()
    keys.make_device("pi-0", NOW)
    assert keys.authority_key.read_bytes() == key
    keys.make_server([HOST], 90, NOW)
    keys.authority_certificate.unlink()
    with pytest.raises(AdminError, match=r"ca\.crt: is there without .*/ca\.crt; run this where"):
        keys.make_server([HOST], 90, NOW)


def test_the_certificate_of_another_key_is_refused(tmp_path: Path) -> None:
    keys, other = made(tmp_path / "keys"), made(tmp_path / "other")
    shutil.copy(other.authority_certificate, keys.authority_certificate)
    with pytest.raises(AdminError, match=r"ca\.crt: expected the certificate of .*ca\.key"):
        keys.make_server([HOST], 90, NOW)


def test_a_key_that_left_for_its_device_is_not_made_anew(tmp_path: Path) -> None:
    keys = made(tmp_path, "pi-0")
    keys.device("pi-0").private_key.unlink()
    with pytest.raises(AdminError, match=r"holds node\.pub without node\.key, .* on the device"):
        keys.make_device("pi-0", NOW)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ca.key", "expected an unencrypted key in PEM"),
        ("ca.crt", "expected a certificate in PEM"),
        ("nodes/pi-0/node.key", "expected an unencrypted key in OpenSSH's format"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, told: str) -> None:
    keys = made(tmp_path, "pi-0")
    (tmp_path / name).write_bytes(b"no key")
    with pytest.raises(AdminError, match=rf"{name}: {told}"):
        keys.make_device("pi-0", NOW)


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").touch()
    with pytest.raises(AdminError, match=r"keys: cannot be used"):
        KeyFolder(tmp_path / "keys").make_device("pi-0", NOW)


# Names and days


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", ".pi", "-pi", "pi 0", "pi\n", "ü"])
def test_names_of_devices_that_are_more_than_a_folder_are_refused(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(AdminError, match="expected a name of 1 to 63 letters"):
        KeyFolder(tmp_path).make_device(name, NOW)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    "name",
    [
        *("", "https://cloud.example.org", "cloud.example.org:443", "bücher.example", "a..b"),
        *("*.example.org", "-a.org", "a b", "300.1.1.1", "203.0.113", "fe80::1%eth0", "a." * 130),
    ],
)
def test_names_of_the_server_that_nobody_could_dial_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(AdminError, match="expected the name of a host or an IP address"):
        KeyFolder(tmp_path).make_server([HOST, name], 90, NOW)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("days", [-1, 0, 3651])
def test_days_that_cannot_be_are_refused(tmp_path: Path, days: int) -> None:
    with pytest.raises(AdminError, match=r"--days .*: expected a number from 1 to 3650"):
        KeyFolder(tmp_path).make_server([HOST], days, NOW)


def test_a_certificate_does_not_outlive_its_authority(tmp_path: Path) -> None:
    keys = made(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(AdminError, match="the CA itself is valid until"):
        keys.make_server([HOST], 90, NOW + timedelta(days=3600))
    assert contents(tmp_path) == before


def test_without_a_name_there_must_be_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(AdminError, match=r"--name: expected the name or address"):
        KeyFolder(tmp_path).make_server([], 90, NOW)


# What Flower reads


def test_flower_takes_the_keys(tmp_path: Path) -> None:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        # Flower's own, of the libraries that it builds its command line with.
        from flwr.cli.supernode.register import try_load_public_key
        from flwr.supernode.cli.flower_supernode import _try_setup_client_authentication
    from flwr.supercore.auth import load_superexec_auth_secret
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes

    device = made(tmp_path, "pi-0").device("pi-0")
    told = Namespace(
        auth_supernode_private_key=str(device.private_key), auth_supernode_public_key=None
    )
    keys = _try_setup_client_authentication(told)
    assert keys is not None
    assert try_load_public_key(device.public_key) == public_key_to_bytes(keys[1])
    secret = load_superexec_auth_secret(secret_file=str(device.path / "superexec.secret"))
    assert secret is not None
    assert len(secret) == 48


def test_the_listing_says_what_is_amiss(tmp_path: Path) -> None:
    keys, other = made(tmp_path / "keys", "pi-0", "pi-1"), made(tmp_path / "other")
    shutil.copy(other.server / "server.crt", keys.server / "server.crt")
    keys.device("pi-0").private_key.chmod(0o640)
    (keys.device("pi-1").path / "ca.crt").unlink()
    keys.device("pi-0").node_id.write_text("77\n")
    keys.device("pi-1").removed.write_text("78\n")
    lines = list(listing(keys, NOW + timedelta(days=91)))
    assert ", ended on " in lines[2]
    amiss = [line.removeprefix("note: ") for line in lines if line.startswith("note: ")]
    assert amiss == [
        "the server's certificate is of another CA; make it anew by: keys server",
        f"{tmp_path}/keys/nodes/pi-1 lacks ca.crt",
        f"{tmp_path}/keys/nodes/pi-0/node.key can be read by others; chmod 600 it",
    ]
    assert [line.partition(", ")[2] for line in lines if "SHA256:" in line] == [
        "node 77",
        "removed: its key is void",
    ]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")
def test_fingerprints_are_those_of_openssh(tmp_path: Path) -> None:
    keys = made(tmp_path, "pi-0")
    command = ["ssh-keygen", "-l", "-f", str(keys.device("pi-0").public_key)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.split()[1] in "".join(listing(keys, NOW))


# Where there is Flower alone

BANNED = ("torch", "torchvision", "PIL", "safetensors", "pydantic_settings", "server_app")
WATCH_DOES_WITHOUT = ("cryptography", "flwr", "rich", "httpx", "numpy")


def imported_by(statements: str) -> set[str]:
    code = f"{statements}\nimport sys\nprint(*sorted({{n.partition('.')[0] for n in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.thorough
def test_neither_torch_nor_apps_are_imported() -> None:
    names = sorted(path.stem for path in (ROOT / "nectar_admin").glob("[a-z]*.py"))
    found = imported_by("".join(f"import nectar_admin.{name}\n" for name in names))
    own = {"server_app", "client_app", "strategies", "models", "generators", "local_federation"}
    assert found & {*BANNED, *own, "nectar", "pickles", "taressfl", "warm_worker"} == set()
    assert {"flwr", "cryptography"} <= found


def test_the_watch_is_small_and_help_helps() -> None:
    run = (
        "import contextlib\nfrom nectar_admin.__main__ import main\n"
        "with contextlib.suppress(SystemExit):\n    main(['--help'])"
    )
    found = imported_by(f"{run}\nimport nectar_admin.watch")
    assert found & {*BANNED, *WATCH_DOES_WITHOUT} == set()
    command = [sys.executable, "-m", "nectar_admin", "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(word in told for word in ("keys", "devices", "watch", "examples:"))
