"""What the server shows of itself: a certificate of its own making, or the operator's.

Devices receive the certificate with the round's invitation and trust nothing else.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from server_app.split.naming import SETTINGS, Names, called
from strategies.common.errors import SettingsError
from strategies.common.home import expanded

# Devices' clocks may be off by so much, both ways.
_MARGIN = timedelta(hours=1)
# No session lasts longer, and no date has five digits.
_LONGEST_S = 365 * 24 * 3600.0
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nectar")])
# Certificates are filled up to a multiple of so many bytes.
_STRIDE = 1024


@final
@dataclass(frozen=True, repr=False)
class Certificate:
    """A certificate with its private key, both as PEM.

    Attributes
    ----------
    certificate : bytes
        Chain in PEM; devices receive it.
    key : bytes
        Private key in PEM; stays in this process.
    """

    certificate: bytes
    key: bytes


def self_signed(hosts: Iterable[str], lifetime_s: float) -> Certificate:
    """Make a certificate for a session.

    Parameters
    ----------
    hosts : Iterable[str]
        Names and IP addresses under which devices dial the server.
    lifetime_s : float
        How long the session may last; longer than a year counts as a year.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _MARGIN)
        .not_valid_after(now + timedelta(seconds=min(lifetime_s, _LONGEST_S)) + _MARGIN)
        .add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return Certificate(
        # Signatures differ in length by a few bytes. What crosses the network is counted, and
        # equal runs shall count alike; PEM may end in blank lines.
        pem.ljust(-(-len(pem) // _STRIDE) * _STRIDE, b"\n"),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def read_files(certificate: str, key: str, names: Names = SETTINGS) -> Certificate:
    """Read the operator's PEM files.

    Parameters
    ----------
    certificate, key : str
        Where they are.
    names : Names
        What messages call the two.

    Raises
    ------
    SettingsError
        If one is missing or does not hold what it should.
    """
    if not certificate or not key:
        missing = called(names["key" if certificate else "certificate"])
        raise SettingsError(f"{missing}: expected a PEM file beside the other's, got ''")
    chain, secret = _read(certificate, names["certificate"]), _read(key, names["key"])
    try:
        shown = x509.load_pem_x509_certificates(chain)[0]
        own = serialization.load_pem_private_key(secret, None)
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"{called(names['certificate'])} and {names['key']}: expected PEM files, the key "
            f"without a password, got {certificate} and {key}: {error}"
        ) from None
    if own.public_key() != shown.public_key():
        raise SettingsError(
            f"{called(names['key'])}: expected the private key of {certificate}, got another one "
            f"in {key}"
        )
    return Certificate(chain, secret)


def _read(path: str, name: str) -> bytes:
    try:
        return expanded(path, f"{called(name)}: ").read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{called(name)}: expected a readable PEM file, got {path}: {error.strerror}"
        ) from None


def _names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in sorted(set(hosts)):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names
