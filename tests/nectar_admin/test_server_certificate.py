"""The server's certificate, as those who dial the server look at it."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from nectar_admin.key_folder import KeyFolder, read_certificate
from tests.nectar_admin.key_folders import HOST, NOW, made

INNER = ["superlink", "proxy", "localhost", "127.0.0.1"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFolder:
    folder = KeyFolder(tmp_path_factory.mktemp("keys"))
    folder.make_server([HOST, "203.0.113.7", "2001:db8::7", "Alias.Example.org"], 90, NOW)
    return folder


@pytest.fixture(scope="module")
def certificate(keys: KeyFolder) -> x509.Certificate:
    return read_certificate(keys.server / "server.crt")


@contextmanager
def serving(keys: KeyFolder) -> Iterator[int]:
    """Serve TLS on loopback with the server's key and certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.server / "server.crt", keys.server / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    accepted, _ = listener.accept()
                    with accepted, suppress(OSError):
                        accepted.settimeout(10)
                        with context.wrap_socket(accepted, server_side=True) as wrapped:
                            wrapped.sendall(b"hello")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def dial(port: int, name: str, authority: Path) -> bytes:
    context = ssl.create_default_context(cafile=authority)
    # What Python's contexts have by default from 3.13 on.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as wrapped,
    ):
        return wrapped.recv(5)


def test_those_who_dial_any_of_its_names_believe_it(keys: KeyFolder) -> None:
    names = [HOST, "203.0.113.7", "2001:db8::7", "alias.example.org", *INNER]
    with serving(keys) as port:
        assert [dial(port, name, keys.server / "ca.crt") for name in names] == [b"hello"] * 8


def test_those_who_dial_another_name_do_not(keys: KeyFolder) -> None:
    with serving(keys) as port:
        for name in ("example.org", "127.0.0.2", "sub.cloud.example.org"):
            with pytest.raises(ssl.SSLCertVerificationError, match="ismatch"):
                dial(port, name, keys.authority_certificate)


def test_those_who_have_another_authority_do_not(keys: KeyFolder, tmp_path: Path) -> None:
    other = made(tmp_path)
    with serving(keys) as port, pytest.raises(ssl.SSLCertVerificationError, match="local issuer"):
        dial(port, HOST, other.authority_certificate)


def test_a_file_with_two_authorities_serves_for_the_change(keys: KeyFolder, tmp_path: Path) -> None:
    other, both = made(tmp_path / "other"), tmp_path / "both.crt"
    texts = [folder.authority_certificate.read_bytes() for folder in (other, keys)]
    both.write_bytes(b"".join(texts))
    for folder in (keys, other):
        with serving(folder) as port:
            assert dial(port, HOST, both) == b"hello"


def test_a_renewed_certificate_is_believed_by_the_same_authority(tmp_path: Path) -> None:
    keys = made(tmp_path / "keys", "pi-0")
    first = read_certificate(keys.server / "server.crt")
    kept = (keys.device("pi-0").path / "ca.crt").read_bytes()
    (tmp_path / "devices.crt").write_bytes(kept)
    keys.make_server([], 90, NOW)
    second = read_certificate(keys.server / "server.crt")
    assert first.serial_number != second.serial_number
    with serving(keys) as port:
        assert dial(port, HOST, tmp_path / "devices.crt") == b"hello"


def test_cryptography_believes_the_chain(keys: KeyFolder, certificate: x509.Certificate) -> None:
    store = Store([keys.read_authority()])
    for name in (x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("203.0.113.7"))):
        verifier = PolicyBuilder().store(store).build_server_verifier(name)
        assert verifier.verify(certificate, []) == [certificate, keys.read_authority()]
        late = PolicyBuilder().store(store).time(NOW + timedelta(days=91))
        with pytest.raises(VerificationError, match=r"valid|expired"):
            late.build_server_verifier(name).verify(certificate, [])


def test_its_extensions_are_those_of_a_server(certificate: x509.Certificate) -> None:
    extensions = certificate.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    purpose = extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert (basic.critical, basic.value.ca, usage.critical) == (True, False, True)
    assert (usage.value.digital_signature, usage.value.key_cert_sign) == (True, False)
    assert list(purpose.value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    # Devices whose clock is behind believe it, too.
    assert certificate.not_valid_before_utc <= NOW - timedelta(minutes=59)


def test_the_authority_signs_servers_and_no_authority(keys: KeyFolder) -> None:
    authority = keys.read_authority()
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    key = authority.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp384r1"
