"""What lies in a folder with keys, in lines of text."""

import base64
import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import Certificate

from nectar_admin.authority import common_name, days_left, fingerprint, names_of
from nectar_admin.device_folder import Device, same_keys
from nectar_admin.errors import AdminError
from nectar_admin.key_folder import KeyFolder, read_certificate

_OTHERS = 0o077
_SECRET = ("ca.key", "server.key", "node.key", "superexec.secret")


def listing(keys: KeyFolder, now: datetime) -> Iterator[str]:
    """Yield lines that name each certificate, key and secret, and what is amiss.

    Raises
    ------
    AdminError
        If there is no authority's certificate, or a file is not what it should be.
    """
    if not keys.authority_certificate.exists():
        raise AdminError(
            f"{keys.path}: expected a folder with ca.crt, found none; make it by: keys server "
            f"{keys.path} --name HOST"
        )
    authority = keys.read_authority()
    yield f"CA      {common_name(authority)}, {_validity(authority, now)}"
    yield f"        SHA-256 {fingerprint(authority)}"
    if not keys.authority_key.exists():
        yield "        ca.key is not here: certificates are made where it is"
    yield from _server(keys, authority, now)
    devices = keys.devices()
    yield f"devices {len(devices)}"
    for device in devices:
        yield from _device(device)
    for told in same_keys(devices):
        yield f"note: {told}"
    for path in sorted(path for path in keys.path.rglob("*") if path.name in _SECRET):
        if path.stat().st_mode & _OTHERS:
            yield f"note: {path} can be read by others; chmod 600 it"


def key_fingerprint(device: Device) -> str:
    """Return the fingerprint of a device's public key, as OpenSSH shows it.

    Raises
    ------
    AdminError
        If there is no such key.
    """
    line = device.read_public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _server(keys: KeyFolder, authority: Certificate, now: datetime) -> Iterator[str]:
    path = keys.server / "server.crt"
    if not path.exists():
        yield "server  no certificate; make it by: keys server"
        return
    certificate = read_certificate(path)
    yield f"server  {', '.join(names_of(certificate))}, {_validity(certificate, now)}"
    yield f"        SHA-256 {fingerprint(certificate)}"
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        yield "note: the server's certificate is of another CA; make it anew by: keys server"
    yield from _lacking(keys.server, "server.key", "ca.crt", "superexec.secret")


def _device(device: Device) -> Iterator[str]:
    known = device.known_id()
    told = f", node {known}" if known is not None else ""
    if device.removed.exists():
        told = ", removed: its key is void"
    shown = key_fingerprint(device) if device.public_key.exists() else "no key"
    yield f"        {device.name}  {shown}{told}"
    yield from _lacking(device.path, "node.key", "node.pub", "ca.crt", "superexec.secret")


def _lacking(folder: Path, *names: str) -> Iterator[str]:
    lacking = [name for name in names if not (folder / name).exists()]
    if lacking:
        yield f"note: {folder} lacks {', '.join(lacking)}"


def _validity(certificate: Certificate, now: datetime) -> str:
    left = days_left(certificate, now)
    until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
    if left < 0:
        return f"ended on {until}"
    return f"{left} {'day' if left == 1 else 'days'} left, until {until}"
