"""Whether the server knows a key and a SuperNode its SuperExec, as answers of a fake hub."""

import json
from pathlib import Path

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from flwr.supercore.constant import VERSION_INCOMPATIBILITY_MESSAGE_METADATA_KEY
from flwr.supercore.error import ApiErrorCode

from nectar_admin.doctor.finding import Finding, Verdict
from nectar_admin.doctor.identity import known, secret
from nectar_admin.doctor.reach import Address
from tests.nectar_admin.doctor.fake_server import Answer, made, serving

_OPENSSH = (serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())


def refusal(status: int, code: ApiErrorCode | None = None) -> Answer:
    """Answer every request as Flower's hub refuses one."""
    body = "" if code is None else json.dumps({"code": int(code), "detail": "no"})
    return lambda _method, _path: (status, body.encode())


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Return a device's keys, and its server's."""
    folder = made(tmp_path)
    key = ec.generate_private_key(ec.SECP384R1())
    (folder / "node.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *_OPENSSH))
    return folder


def asked(keys: Path, answer: Answer) -> Finding:
    with serving(keys, answer=answer) as address:
        return known(address, keys / "ca.crt", keys / "node.key")[0]


def test_a_key_that_the_server_knows(keys: Path) -> None:
    found = asked(keys, refusal(412, ApiErrorCode.FLEET_INVALID_HEARTBEAT_INTERVAL))
    assert found.verdict is Verdict.GOOD


def test_a_key_that_was_never_registered_or_is_void(keys: Path) -> None:
    unknown = refusal(412, ApiErrorCode.FLEET_NODE_ACTIVATION_FAILED)
    found = asked(keys, unknown)
    assert (found.verdict, "never registered" in found.said) == (Verdict.FAULT, True)
    assert "devices add" in found.cure
    (keys / "node.id").write_text("17")
    found = asked(keys, unknown)
    assert (found.verdict, "void for ever" in found.said) == (Verdict.FAULT, True)
    assert "under a new name" in found.cure


def test_a_flower_that_the_servers_does_not_match(keys: Path) -> None:
    said = "expected a peer from the same major.minor release, but received 1.41.0"
    headers = {VERSION_INCOMPATIBILITY_MESSAGE_METADATA_KEY: said}
    refused = refusal(412, ApiErrorCode.FLEET_INVALID_HEARTBEAT_INTERVAL)
    with serving(keys, answer=refused, headers=headers) as address:
        _, found = known(address, keys / "ca.crt", keys / "node.key")
    assert (found.subject, found.verdict, said in found.said) == ("flwr", Verdict.FAULT, True)
    assert "install the server's version" in found.cure


@pytest.mark.parametrize(
    ("status", "verdict", "said"),
    [
        (401, Verdict.FAULT, "does not accept its signature"),
        (403, Verdict.FAULT, "does not let nodes in"),
        (502, Verdict.NOTED, "HTTP 502"),
    ],
)
def test_other_answers(status: int, verdict: Verdict, said: str, keys: Path) -> None:
    found = asked(keys, refusal(status))
    assert (found.verdict, said in found.said) == (verdict, True)


@pytest.mark.parametrize("text", [b"no key", b""])
def test_a_file_that_is_no_key(text: bytes, keys: Path) -> None:
    (keys / "node.key").write_bytes(text)
    (found,) = known(Address("127.0.0.1", 9), keys / "ca.crt", keys / "node.key")
    assert (found.verdict, "cannot be read as a node's key" in found.said) == (Verdict.FAULT, True)


@pytest.mark.parametrize("error", [TypeError, UnsupportedAlgorithm])
def test_a_key_under_a_password_is_none_that_a_node_can_use(
    keys: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def load(*_: object, **__: object) -> None:
        raise error("it is encrypted")

    monkeypatch.setattr("nectar_admin.doctor.identity.load_ssh_private_key", load)
    (found,) = known(Address("127.0.0.1", 9), keys / "ca.crt", keys / "node.key")
    assert found.verdict is Verdict.FAULT
    assert "it is encrypted" in found.said


def test_a_key_of_another_kind(keys: Path) -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    (keys / "node.key").write_bytes(other.private_bytes(serialization.Encoding.PEM, *_OPENSSH))
    (found,) = known(Address("127.0.0.1", 9), keys / "ca.crt", keys / "node.key")
    assert "elliptic curve of NIST" in found.said


@pytest.mark.parametrize(
    ("status", "verdict", "said"),
    [(200, Verdict.GOOD, "has the same"), (401, Verdict.FAULT, "started with another one")],
)
def test_the_secret_is_compared_with_the_supernodes(
    status: int, verdict: Verdict, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "superexec.secret"
    file.write_bytes(bytes(48))
    with serving(None, answer=lambda _method, _path: (status, b"")) as address:
        found = secret(file, address)
    assert (found.verdict, said in found.said) == (verdict, True)


def test_without_a_supernode_or_a_secret_nothing_is_compared(tmp_path: Path) -> None:
    file = tmp_path / "superexec.secret"
    found = secret(file, Address("127.0.0.1", 9))
    assert (found.verdict, "cannot be read" in found.said) == (Verdict.FAULT, True)
    file.write_bytes(bytes(48))
    found = secret(file, Address("127.0.0.1", 9))
    assert (found.verdict, "no SuperNode runs" in found.said) == (Verdict.NOTED, True)
