"""Devices that are let in, listed and removed, at a SuperLink in memory."""

import json
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import final

import pytest

from nectar_admin import device_table, devices
from nectar_admin.__main__ import main
from nectar_admin.authority import new_server
from nectar_admin.control import Control, Node
from nectar_admin.errors import AdminError, UnreachableError
from nectar_admin.key_folder import KeyFolder
from nectar_admin.run_journal import ClientRounds, Run
from tests.nectar_admin.key_folders import NOW, contents, made


@final
class SuperLinkInMemory:
    """Answers as Flower's does, after having been away for some requests."""

    def __init__(self, away: int = 0) -> None:
        self.known: list[Node] = []
        self.away = away

    def nodes(self) -> list[Node]:
        if self.away:
            self.away -= 1
            raise UnreachableError("no SuperLink answers")
        return list(self.known)

    def register(self, public_key: bytes) -> int | None:
        if any(node.public_key == public_key for node in self.known):
            return None
        self.known.append(Node(len(self.known) + 100, public_key, "registered", None))
        return self.known[-1].node_id

    def unregister(self, node_id: int) -> None:
        (old,) = (node for node in self.known if node.node_id == node_id)
        self.known.remove(old)
        self.known.append(Node(node_id, old.public_key, "unregistered", None))


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return made(tmp_path / "keys", "pi-0", "pi-1")


def test_a_device_is_let_in_once_and_its_number_kept(keys: KeyFolder) -> None:
    superlink, device = SuperLinkInMemory(), keys.device("pi-0")
    assert devices.add(device, superlink) == "pi-0: registered as node 100"
    assert device.node_id.read_text() == "100\n"
    assert devices.add(device, superlink) == "pi-0: is registered already, as node 100"
    # The SuperLink knows it where nobody kept it.
    device.node_id.unlink()
    assert devices.add(device, superlink) == "pi-0: is registered already, as node 100"
    assert device.known_id() == 100
    # A SuperLink that lost its database.
    other = SuperLinkInMemory()
    devices.add(keys.device("pi-1"), other)
    assert devices.add(device, other) == "pi-0: registered as node 101"
    assert device.known_id() == 101


def test_a_pair_that_does_not_match_is_neither_let_in_nor_removed(keys: KeyFolder) -> None:
    superlink, device = SuperLinkInMemory(), keys.device("pi-0")
    shutil.copy(keys.device("pi-1").public_key, device.public_key)
    for do in (devices.add, devices.remove):
        with pytest.raises(AdminError, match=r"pi-0: expected node\.pub to be of node\.key"):
            do(device, superlink)
    assert superlink.known == []


def test_devices_with_one_key_are_listed_as_the_one_node_that_they_are(keys: KeyFolder) -> None:
    superlink, device = SuperLinkInMemory(), keys.device("pi-0")
    for name in ("node.key", "node.pub"):
        shutil.copy(device.path / name, keys.device("pi-1").path / name)
    devices.add(device, superlink)
    told = devices.listed(keys.devices(), superlink.nodes(), None)
    assert [(one.name, one.node_id) for one in told] == [("pi-0", 100), ("pi-1", 100)]


def test_a_key_of_somebody_else_is_told(keys: KeyFolder) -> None:
    superlink, device = SuperLinkInMemory(), keys.device("pi-0")
    devices.add(device, superlink)
    superlink.nodes = list  # type: ignore[method-assign]
    with pytest.raises(AdminError, match="by an account that is not yours"):
        devices.add(device, superlink)


def test_a_removed_device_is_told_how_to_come_back_and_does_not(keys: KeyFolder) -> None:
    superlink, device = SuperLinkInMemory(), keys.device("pi-0")
    with pytest.raises(AdminError, match="pi-0: is not registered at this SuperLink"):
        devices.remove(device, superlink)
    devices.add(device, superlink)
    told = devices.remove(device, superlink)
    assert told.startswith("pi-0: node 100 is unregistered. Its key is void for ever. To let")
    assert f"keys node {keys.path} NEWNAME, devices add" in told
    assert (device.removed.read_text(), device.node_id.exists()) == ("100\n", False)
    assert devices.remove(device, superlink).startswith("pi-0: node 100 was unregistered.")
    for attempt in (
        lambda: devices.add(device, superlink),
        lambda: keys.make_device("pi-0", NOW),
    ):
        with pytest.raises(AdminError, match="pi-0: was removed, and a SuperLink never takes"):
            attempt()
    # Whoever lost that file is told the same.
    device.removed.unlink()
    with pytest.raises(AdminError, match="pi-0: was removed"):
        devices.add(device, superlink)
    assert device.removed.exists()


def test_the_list_joins_folders_nodes_and_the_run(keys: KeyFolder) -> None:
    keys.make_device("pi-2", NOW)
    superlink = SuperLinkInMemory()
    for name in ("pi-1", "pi-0"):
        devices.add(keys.device(name), superlink)
    superlink.known[0] = Node(100, superlink.known[0].public_key, "online", NOW)
    superlink.known += [
        Node(7, b"", "offline", NOW - timedelta(hours=26)),
        Node(8, b"another", "unregistered", None),
    ]
    run = Run("first", 4, {100: 2}, {2: ClientRounds(3, 1, "it was late")})
    told = list(devices.listed(keys.devices(), superlink.nodes(), run))
    assert [(one.name, one.node_id, one.status, one.client) for one in told] == [
        ("pi-0", 101, "registered", None),
        ("pi-1", 100, "online", 2),
        ("pi-2", None, "not registered", None),
        ("", 7, "offline", None),
    ]
    assert [one.rounds for one in told] == [None, ClientRounds(3, 1, "it was late"), None, None]
    entries = json.loads(device_table.as_json(told))
    assert [entry["node_id"] for entry in entries] == ["101", "100", None, "7"]
    assert entries[1]["rounds"]["last_failure"] == "it was late"
    assert entries[1]["since"] == NOW.isoformat()


def test_the_table_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    told = [
        devices.Listed(
            "pi-0", 100, "online", NOW - timedelta(minutes=5), 2, ClientRounds(3, 1, "late")
        ),
        devices.Listed("pi-1", 101, "registered", NOW, None, None),
        devices.Listed("", 2**64 - 1, "offline", NOW - timedelta(hours=26), 3, None),
    ]
    device_table.show(told, Run("first", 4, {}, {}), NOW)
    shown = capsys.readouterr().out
    assert "run first, 4 rounds played" in shown
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines()]
    assert [row for row in rows if row] == [
        ["pi-0", "100", "online for 5 min", "2", "3", "1", "late"],
        ["pi-1", "101", "registered", "-", "-", "-", ""],
        [
            "(no key of it here)",
            str(2**64 - 1),
            "offline, last seen 1 d 2 h ago",
            "3",
            "-",
            "-",
            "",
        ],
    ]
    device_table.show(told, None, NOW)
    assert "client" not in capsys.readouterr().out


def test_a_superlink_on_its_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_LOOK_S", 0.01)
    passed: list[float] = []
    devices.wait_for(SuperLinkInMemory(away=3), 30.0, passed.append)
    assert len(passed) == 3
    with pytest.raises(UnreachableError):
        devices.wait_for(SuperLinkInMemory(away=10_000), 0.05, passed.append)


# Errors of the connection


@contextmanager
def answering(answer: bytes, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Have a server on loopback that answers everything with the same bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    accepted, _ = listener.accept()
                    with accepted, suppress(OSError):
                        accepted.settimeout(10)
                        plain = context is None
                        talk = (
                            accepted if plain else context.wrap_socket(accepted, server_side=True)
                        )
                        with talk:
                            talk.recv(1 << 16)
                            talk.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def with_tls(keys: KeyFolder) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.server / "server.crt", keys.server / "server.key")
    return context


def refusal(keys: KeyFolder, address: str, *words: str) -> Sequence[str]:
    return ["devices", "list", str(keys.path), "--superlink", address, *words]


def test_nobody_at_the_address(keys: KeyFolder, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert main(refusal(keys, f"127.0.0.1:{port}")) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"127.0.0.1:{port}: no SuperLink answers (")
    assert "--wait SECONDS waits for it" in told
    assert main(refusal(keys, f"127.0.0.1:{port}", "--wait", "0.1")) == 2
    assert "up to 0.1 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:abc", "[::1:80", f"{'a' * 300}:1", "h\x1b:1", ""],
    ids=["port", "brackets", "length", "letters", "nothing"],
)
def test_an_address_that_is_none(
    address: str, keys: KeyFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(refusal(keys, address)) == 2
    assert capsys.readouterr().err.startswith("--superlink: expected HOST:PORT, such as")


def test_a_certificate_of_another_authority(
    keys: KeyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = made(tmp_path / "other")
    with answering(b"", with_tls(other)) as address:
        assert main(refusal(keys, address, "--wait", "60")) == 2
        told = capsys.readouterr().err
        assert "the SuperLink's certificate was refused: unable to get local issuer" in told
        assert f"It is compared with {keys.authority_certificate}; give the ca.crt that" in told
        # The right one lies elsewhere.
        authority = str(other.authority_certificate)
        assert main(refusal(keys, address, "--ca", authority)) == 2
        assert "certificate" not in capsys.readouterr().err


def test_a_certificate_that_has_ended_or_names_another(
    keys: KeyFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    named = new_server(keys._authority(NOW), ["proxy"], NOW, 90)
    (keys.server / "server.crt").write_bytes(named.certificate_pem)
    (keys.server / "server.key").write_bytes(named.key_pem)
    with answering(b"", with_tls(keys)) as address:
        assert main(refusal(keys, address)) == 2
        told = capsys.readouterr().err
        assert "mismatch" in told
        assert "dial one of its names, which keys show tells" in told
    keys.make_server(["proxy"], 1, datetime.now(UTC) - timedelta(days=2))
    with answering(b"", with_tls(keys)) as address:
        assert main(refusal(keys, address)) == 2
        told = capsys.readouterr().err
        assert "certificate has expired. It is" in told
        assert "renew it by: keys server FOLDER, and restart the SuperLink" in told


def test_a_superlink_without_tls(keys: KeyFolder, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n") as address:
        assert main(refusal(keys, address)) == 2
        assert f"{address}: expected a SuperLink with TLS, got " in capsys.readouterr().err


def test_a_proxy_is_no_superlink(keys: KeyFolder, capsys: pytest.CaptureFixture[str]) -> None:
    answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    with answering(answer, with_tls(keys)) as address:
        assert main(refusal(keys, address)) == 2
        told = capsys.readouterr().err
        assert "got status 403; is --superlink the SuperLink itself, and not the proxy" in told


def test_unknown_devices_and_folders_without_any(
    keys: KeyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(keys.path)
    for action in ("add", "remove"):
        assert main(["devices", action, str(keys.path), "pi-9"]) == 2
        told = capsys.readouterr().err
        assert "pi-9: expected a device of" in told
        assert "which holds pi-0, pi-1; make its key by: keys node" in told
    assert main(["devices", "add", str(tmp_path)]) == 2
    assert "expected devices to let in, found none" in capsys.readouterr().err
    assert contents(keys.path) == before
    with pytest.raises(AdminError, match=r"none/ca\.crt: expected the certificate of the CA"):
        Control("127.0.0.1:1", tmp_path / "none" / "ca.crt")


def test_words_that_are_no_names_are_refused(
    keys: KeyFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(keys.path)
    for words in (["add", folder, "--wait", "0", "--all"], ["list", folder, "--wait", "0", "pi-0"]):
        with pytest.raises(SystemExit):
            main(["devices", *words])
        assert f"unrecognized arguments: {words[-1]}" in capsys.readouterr().err


def test_options_that_come_twice_are_refused(
    keys: KeyFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(refusal(keys, "127.0.0.1:1", "--superlink", "127.0.0.1:2"))
    assert "--superlink: expected once, got 127.0.0.1:1 and 127.0.0.1:2" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["watch", "--port", "1", "--port", "2", "--", "true"])
    assert "--port: expected once, got 1 and 2" in capsys.readouterr().err


def test_a_certificate_that_is_none(keys: KeyFolder, capsys: pytest.CaptureFixture[str]) -> None:
    keys.authority_certificate.write_text("nothing")
    assert main(refusal(keys, "127.0.0.1:1")) == 2
    assert "ca.crt: expected the certificate of the CA" in capsys.readouterr().err
