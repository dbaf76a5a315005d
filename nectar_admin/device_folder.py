"""One device's folder: its key pair, and under which number it was let in."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nectar_admin import private_files
from nectar_admin.errors import AdminError, unusable


@final
class Device:
    """One device's folder.

    Parameters
    ----------
    path : Path
        The folder; its name is the device's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.private_key = path / "node.key"
        self.public_key = path / "node.pub"
        self.node_id = path / "node.id"
        self.removed = path / "node.removed"

    def known_id(self) -> int | None:
        """Return the id under which it was registered last, if that was kept."""
        try:
            return int(self.node_id.read_text())
        except (OSError, ValueError):
            return None

    def read_public_key(self) -> ec.EllipticCurvePublicKey:
        """Read the public key, which is that of the private key where that lies beside it.

        Raises
        ------
        AdminError
            If there is none, or it is that of another private key.
        """
        public = self._read_public_key()
        if self.private_key.exists() and self._read_private_key().public_key() != public:
            raise AdminError(
                f"{self.path}: expected node.pub to be of node.key, got that of another key; the "
                f"device signs with node.key. Delete node.pub, and keys node makes it anew; if "
                f"the device was let in by that node.pub, put its own node.key back"
            )
        return public

    def _read_public_key(self) -> ec.EllipticCurvePublicKey:
        try:
            key = serialization.load_ssh_public_key(self.public_key.read_bytes())
        except OSError as error:
            raise unusable(self.public_key, error) from None
        except (ValueError, UnsupportedAlgorithm) as error:
            raise AdminError(
                f"{self.public_key}: expected a public key in OpenSSH's format, got {error}"
            ) from None
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise AdminError(f"{self.public_key}: expected an ECDSA key, which Flower asks for")
        return key

    def require_not_removed(self) -> None:
        """Refuse a device whose key is void.

        Raises
        ------
        AdminError
            If it was removed.
        """
        if self.removed.exists():
            raise AdminError(
                f"{self.name}: was removed, and a SuperLink never takes a removed key again; "
                f"let the device in under a new name: keys node {self.path.parents[1]} NEWNAME, "
                f"then devices add"
            )

    def make_keys(self) -> bool:
        """Make what is missing of the key pair; tell whether it is new.

        Raises
        ------
        AdminError
            If the private key cannot be read, is elsewhere, or is not that of the public one.
        OSError
            If a file cannot be read or written.
        """
        is_new = not self.private_key.exists()
        if is_new and self.public_key.exists():
            raise AdminError(
                f"{self.path}: holds node.pub without node.key, so the key seems to be on the "
                f"device; work with that, or choose a new name for a new key"
            )
        key = ec.generate_private_key(ec.SECP384R1()) if is_new else self._read_private_key()
        if is_new:
            private_files.write(self.private_key, _openssh(key))
        if not self.public_key.exists():
            private_files.write(self.public_key, _openssh_public(key, self.name))
        self.read_public_key()
        return is_new

    def _read_private_key(self) -> ec.EllipticCurvePrivateKey:
        try:
            key = serialization.load_ssh_private_key(self.private_key.read_bytes(), None)
        except OSError as error:
            raise unusable(self.private_key, error) from None
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise AdminError(
                f"{self.private_key}: expected an unencrypted key in OpenSSH's format, got "
                f"{error}; choose a new name for a new key"
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise AdminError(f"{self.private_key}: expected an ECDSA key, which Flower asks for")
        return key


def same_keys(devices: Sequence[Device]) -> Iterator[str]:
    """Yield a sentence for each public key that several devices have; damaged ones are passed over.

    Parameters
    ----------
    devices : Sequence[Device]
        Devices that have a folder.
    """
    names = dict[bytes, list[str]]()
    for device in devices:
        with suppress(AdminError):
            key = device.read_public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )
            names.setdefault(key, []).append(device.name)
    for same in names.values():
        if len(same) > 1:
            yield (
                f"{', '.join(same)} have the same key, so they are one node to a SuperLink and "
                f"only one of them is let in at a time; give the others keys under new names by: "
                f"keys node"
            )


def _openssh(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )


def _openssh_public(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    line = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return b"%s %s\n" % (line, name.encode())
