"""The folder with the keys of a federation.

::

    ca.key, ca.crt                              the authority; the key stays where this folder is
    server/  server.crt, server.key, ca.crt, superexec.secret
    nodes/NAME/  node.key, node.pub, ca.crt, superexec.secret    all that the device needs
                 node.id, node.removed    what the SuperLink calls it, or called it before

Authority, keys of devices and secrets are kept once they are there; the server's certificate is
made anew each time, which renews it.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nectar_admin import private_files
from nectar_admin.authority import Identity, names_of, new_authority, new_server
from nectar_admin.device_folder import Device
from nectar_admin.errors import AdminError, unusable
from nectar_admin.names import require_device, require_host

# What the parts of a federation call the server among themselves.
INNER_NAMES: Final = ("superlink", "proxy", "localhost", "127.0.0.1")
MOST_DAYS: Final = 3650
_SECRET_BYTES: Final = 48


@final
class KeyFolder:
    """The folder with the keys of a federation.

    Parameters
    ----------
    path : Path
        The folder, there or not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.authority_key = path / "ca.key"
        self.authority_certificate = path / "ca.crt"
        self.server = path / "server"

    def devices(self) -> list[Device]:
        """Return the devices that have a folder, by name."""
        nodes = self.path / "nodes"
        if not nodes.is_dir():
            return []
        return [Device(path) for path in sorted(nodes.iterdir()) if path.is_dir()]

    def device(self, name: str) -> Device:
        """Return a device that has a folder.

        Raises
        ------
        AdminError
            If it has none; with the names of those that have.
        """
        device = Device(self.path / "nodes" / require_device(name))
        if not device.path.is_dir():
            names = ", ".join(known.name for known in self.devices()) or "no device at all"
            raise AdminError(
                f"{name}: expected a device of {self.path / 'nodes'}, which holds {names}; "
                f"make its key by: keys node {self.path} {name}"
            )
        return device

    def make_server(self, names: Sequence[str], days: int, now: datetime) -> x509.Certificate:
        """Make the server's key and certificate anew, and what is missing besides.

        Parameters
        ----------
        names : Sequence[str]
            Names and addresses by which devices reach the server; none to take over those of the
            certificate that is there.
        days : int
            How long it is valid.
        now : datetime
            The time.

        Raises
        ------
        AdminError
            If a name or a file is not what it should be.
        """
        if not 1 <= days <= MOST_DAYS:
            raise AdminError(f"--days {days}: expected a number from 1 to {MOST_DAYS}")
        wanted = [require_host(name) for name in names] or self._server_names()
        with self._ours():
            authority = self._authority(now)
            every = list(dict.fromkeys([*wanted, *INNER_NAMES]))
            made = new_server(authority, every, now, days)
            private_files.write(self.server / "server.key", made.key_pem)
            private_files.write(self.server / "server.crt", made.certificate_pem)
            self._complete(self.server)
        return made.certificate

    def named(self, name: str) -> Device:
        """Return the device of a name that it may have, there or not.

        Raises
        ------
        AdminError
            If the name could be anything but one folder, or is that of a removed device.
        """
        device = Device(self.path / "nodes" / require_device(name))
        device.require_not_removed()
        return device

    def make_device(self, name: str, now: datetime) -> bool:
        """Make what a device lacks; tell whether its key is new.

        Raises
        ------
        AdminError
            If the name or a file is not what it should be.
        """
        device = self.named(name)
        with self._ours():
            self._authority(now)
            is_new = device.make_keys()
            self._complete(device.path)
        return is_new

    def read_authority(self) -> x509.Certificate:
        """Read the authority's certificate.

        Raises
        ------
        AdminError
            If there is none.
        """
        return read_certificate(self.authority_certificate)

    def _server_names(self) -> list[str]:
        path = self.server / "server.crt"
        if not path.exists():
            raise AdminError(
                "--name: expected the name or address by which devices reach the server, e.g. "
                "--name cloud.example.org, got none; once there is a certificate, its names "
                "are taken over"
            )
        return names_of(read_certificate(path))

    def _authority(self, now: datetime) -> Identity:
        """Return the authority that is there, or a new one where there is nothing."""
        if not self.authority_key.exists():
            self._require_nothing_signed()
            made = new_authority(now)
            private_files.write(self.authority_key, made.key_pem)
            private_files.write(self.authority_certificate, made.certificate_pem)
            return made
        key = _read_authority_key(self.authority_key)
        if not self.authority_certificate.exists():
            # Whoever made the key was killed before the certificate.
            self._require_nothing_signed()
            made = new_authority(now, key)
            private_files.write(self.authority_certificate, made.certificate_pem)
            return made
        certificate = self.read_authority()
        if certificate.public_key() != key.public_key():
            raise AdminError(
                f"{self.authority_certificate}: expected the certificate of {self.authority_key}, "
                f"got that of another key; put back the one that belongs to the other"
            )
        return Identity(certificate, key)

    def _require_nothing_signed(self) -> None:
        """Refuse to make an authority where another one was."""
        candidates = (self.authority_certificate, self.server / "ca.crt")
        left = [path for path in candidates if path.exists()]
        left += [d.path / "ca.crt" for d in self.devices() if (d.path / "ca.crt").exists()]
        if left:
            has_key = self.authority_key.exists()
            lacking = self.authority_certificate if has_key else self.authority_key
            raise AdminError(
                f"{left[0]}: is there without {lacking}; run this where the whole folder is, or "
                f"put that file back. To begin again, name a new folder: every device then "
                f"needs its new ca.crt"
            )

    def _complete(self, folder: Path) -> None:
        """Give a folder the authority's certificate and a secret of its own."""
        secret = folder / "superexec.secret"
        if not secret.exists():
            private_files.write(secret, secrets.token_bytes(_SECRET_BYTES))
        wanted = self.authority_certificate.read_bytes()
        copy = folder / "ca.crt"
        if not copy.exists() or copy.read_bytes() != wanted:
            private_files.write(copy, wanted)

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """Hold the folder, and say what is wrong with it."""
        try:
            with private_files.held(self.path):
                yield
        except OSError as error:
            raise unusable(Path(error.filename or self.path), error) from None


def read_certificate(path: Path) -> x509.Certificate:
    """Read a certificate.

    Raises
    ------
    AdminError
        If there is none.
    """
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise unusable(path, error) from None
    except ValueError as error:
        raise AdminError(f"{path}: expected a certificate in PEM, got {error}") from None


def _read_authority_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AdminError(f"{path}: expected an unencrypted key in PEM, got {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AdminError(f"{path}: expected an EC key, got {type(key).__name__}")
    return key
