"""A federation's own certificate authority, and the certificates that it signs.

What they need is what OpenSSL's strict checks ask for, which Python makes by default from 3.13 on:
key identifiers, basic constraints and key usage. Names of the server stand as alternative
names; the common name is looked at by nobody.
"""

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nectar_admin.errors import AdminError

_CA_DAYS: Final = 3650
# Clocks of devices may be behind.
_BEFORE: Final = timedelta(hours=1)


@final
@dataclass(frozen=True)
class Identity:
    """A certificate and the key that it is about.

    Attributes
    ----------
    certificate : x509.Certificate
        The certificate.
    key : ec.EllipticCurvePrivateKey
        Its private key.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as a file has it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as a file has it, not encrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def new_authority(now: datetime, key: ec.EllipticCurvePrivateKey | None = None) -> Identity:
    """Return an authority for ten years.

    Parameters
    ----------
    now : datetime
        The time.
    key : ec.EllipticCurvePrivateKey | None
        Its key; ``None`` for a new one.
    """
    key = key or ec.generate_private_key(ec.SECP384R1())
    # Two authorities of one name could not be told apart in a file that holds both.
    name = _named(f"Nectar federation {secrets.token_hex(4)}")
    certificate = (
        _builder(name, name, key.public_key(), now, now + timedelta(days=_CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA384())
    )
    return Identity(certificate, key)


def new_server(authority: Identity, names: Sequence[str], now: datetime, days: int) -> Identity:
    """Return a new key and certificate of the server.

    Parameters
    ----------
    authority : Identity
        Who signs.
    names : Sequence[str]
        Every name and address by which anybody reaches the server.
    now : datetime
        The time.
    days : int
        How long it is valid.

    Raises
    ------
    AdminError
        If the authority ends before.
    """
    end = now + timedelta(days=days)
    until = authority.certificate.not_valid_after_utc
    if end > until:
        raise AdminError(
            f"--days {days}: the CA itself is valid until {until:%Y-%m-%d}, and nothing that it "
            f"signs can be for longer; ask for fewer days, or make keys in a new folder and "
            f"give every device its new ca.crt"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    issuer, public = authority.certificate.subject, authority.key.public_key()
    certificate = (
        _builder(_named("Nectar server"), issuer, key.public_key(), now, end)
        .add_extension(
            x509.SubjectAlternativeName([_alternative(n) for n in names]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(authority.key, hashes.SHA384())
    )
    return Identity(certificate, key)


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return the alternative names of a certificate, in its order."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    kinds = (x509.DNSName, x509.IPAddress)
    return [str(name.value) for name in found.value if isinstance(name, kinds)]


def days_left(certificate: x509.Certificate, now: datetime) -> int:
    """Return how many whole days a certificate is still valid; negative once it is not."""
    return (certificate.not_valid_after_utc - now) // timedelta(days=1)


def common_name(certificate: x509.Certificate) -> str:
    """Return what a certificate calls whom it is about."""
    return ", ".join(
        str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    )


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate, in the form in which other programs show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
