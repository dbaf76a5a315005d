"""Where the stream is: the run's word, or else that of the server's environment."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from client_app.split.stream import StreamLink
from server_app.split.certificate import self_signed
from server_app.split.place import Place, find_place
from strategies.common.errors import SettingsError
from strategies.common.run_config import default_config, read_table
from strategies.common.split.settings import SplitSettings
from tests.server_app.split.toy_session import Node, Toy, split_settings

USUAL = read_table(default_config(), "split", SplitSettings)
COMPOSE = {
    "NECTAR_SPLIT_HOST": "0.0.0.0",
    "NECTAR_SPLIT_PORT": "9443",
    "NECTAR_SPLIT_ADVERTISE": "cloud.example.org",
}


def place(environment: dict[str, str], **given: object) -> Place:
    return find_place(split_settings(**given), USUAL, environment)


def test_what_a_run_leaves_open_comes_from_the_environment_and_is_told() -> None:
    found = place({**COMPOSE, "OTHER": "1"})
    settings = found.settings
    assert (settings.host, settings.port) == ("0.0.0.0", 9443)
    assert settings.advertise == "cloud.example.org"
    assert found.decisions == {
        "split stream's host": "0.0.0.0 (NECTAR_SPLIT_HOST)",
        "split stream's port": "9443 (NECTAR_SPLIT_PORT)",
        "split stream's advertise": "cloud.example.org (NECTAR_SPLIT_ADVERTISE)",
    }


def test_what_a_run_says_wins() -> None:
    found = place(COMPOSE, port=9444, advertise="other.example.org:444")
    assert found.settings.host == "0.0.0.0"
    assert (found.settings.port, found.settings.advertise) == (9444, "other.example.org:444")
    assert list(found.decisions) == ["split stream's host"]


@pytest.mark.parametrize(
    "environment", [{}, dict.fromkeys(COMPOSE, ""), {"NECTAR_SPLIT_PORT": " "}]
)
def test_without_variables_or_with_empty_ones_the_settings_stay(
    environment: dict[str, str],
) -> None:
    assert place(environment) == Place(split_settings(), {})


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("PORT", "9443/tcp", r"PORT: expected a port from 0 to 65535, got '9443/tcp'"),
        ("PORT", "65536", r"PORT: expected a port from 0 to 65535"),
        ("PORT", "-1", r"PORT: expected a port from 0 to 65535"),
        ("PORT", "٣", r"PORT: expected a port from 0 to 65535"),
        ("HOST", "0.0.0.0:9443", r"HOST: expected a name or an address without a port"),
        ("HOST", "a/b", r"HOST: expected a name or an address without a port, got 'a/b'"),
        ("ADVERTISE", "https://cloud", r"ADVERTISE: expected host or host:port"),
        ("ADVERTISE", "", r"ADVERTISE: expected the name .* since NECTAR_SPLIT_HOST=0\.0\.0\.0"),
    ],
)
def test_bad_values_are_refused_by_the_variables_name(variable: str, text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=f"environment variable NECTAR_SPLIT_{told}"):
        place({**COMPOSE, f"NECTAR_SPLIT_{variable}": text})


def test_what_a_run_says_is_refused_by_the_settings_name() -> None:
    with pytest.raises(SettingsError, match=r"setting split\.advertise: expected host or"):
        place(COMPOSE, advertise="a/b")
    # Nobody set a variable: the setting is what is missing.
    with pytest.raises(SettingsError, match=r"setting split\.advertise: expected the name"):
        place({}, host="0.0.0.0")


# Certificates


def files(folder: Path) -> dict[str, str]:
    own = self_signed(["localhost"], 3600.0)
    (folder / "server.crt").write_bytes(own.certificate)
    (folder / "server.key").write_bytes(own.key)
    return {
        "NECTAR_SPLIT_CERTIFICATE": str(folder / "server.crt"),
        "NECTAR_SPLIT_KEY": str(folder / "server.key"),
    }


def test_certificate_and_key_come_from_one_place(tmp_path: Path) -> None:
    environment = files(tmp_path)
    found = place(environment)
    assert found.settings.certificate == environment["NECTAR_SPLIT_CERTIFICATE"]
    assert found.settings.key == environment["NECTAR_SPLIT_KEY"]
    assert len(found.decisions) == 2
    given = {"certificate": found.settings.certificate, "key": found.settings.key}
    others = dict.fromkeys(environment, "/nowhere")
    assert place(others, **given).decisions == {}
    # No key of the environment is tried on a certificate of the run.
    with pytest.raises(SettingsError, match=r"setting split\.key: expected a PEM file beside"):
        place(environment, certificate=found.settings.certificate)


def test_files_of_the_environment_are_refused_by_the_variables_name(tmp_path: Path) -> None:
    environment = files(tmp_path)
    with pytest.raises(SettingsError, match="variable NECTAR_SPLIT_KEY: expected a readable PEM"):
        place({**environment, "NECTAR_SPLIT_KEY": str(tmp_path / "none")})
    with pytest.raises(SettingsError, match="variable NECTAR_SPLIT_KEY: expected a PEM file besid"):
        place({**environment, "NECTAR_SPLIT_KEY": ""})
    with pytest.raises(SettingsError, match="variable NECTAR_SPLIT_CERTIFICATE and NECTAR_SPLIT_K"):
        place({**environment, "NECTAR_SPLIT_KEY": environment["NECTAR_SPLIT_CERTIFICATE"]})


def signed_by_a_ca(folder: Path) -> dict[str, str]:
    """Write what a proxy in front of the SuperLink shows: a leaf of a private authority."""
    ca_key, key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256R1())
    ca = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nectar federation")])
    start = datetime.now(UTC) - timedelta(hours=1)
    builder = x509.CertificateBuilder().issuer_name(ca).public_key(key.public_key())
    builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")]))
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start)
    builder = builder.not_valid_after(start + timedelta(days=90))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    builder = builder.add_extension(names, critical=False)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    builder = builder.add_extension(usage, critical=False)
    leaf = builder.sign(ca_key, hashes.SHA384())
    (folder / "server.crt").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    own = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "server.key").write_bytes(own)
    return {
        "NECTAR_SPLIT_ADVERTISE": "localhost",
        "NECTAR_SPLIT_CERTIFICATE": str(folder / "server.crt"),
        "NECTAR_SPLIT_KEY": str(folder / "server.key"),
    }


def test_devices_trust_the_proxys_certificate_without_knowing_its_authority(tmp_path: Path) -> None:
    toy = Toy(nodes=1, cohorts=1, steps=3, settings=place(signed_by_a_ca(tmp_path)).settings)
    with toy.session() as session, StreamLink(session.invitation(0), 0) as link:
        Node(toy, 0).play(link)
    assert toy.engine.finished == [11, 12, 13]
