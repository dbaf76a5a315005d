"""Folders with keys for tests, and what they are compared by."""

from datetime import UTC, datetime
from pathlib import Path

from nectar_admin.key_folder import KeyFolder

NOW = datetime.now(UTC)
HOST = "cloud.example.org"
NODE_FILES = ("node.key", "node.pub", "ca.crt", "superexec.secret")
SERVER_FILES = ("server.crt", "server.key", "ca.crt", "superexec.secret")


def made(folder: Path, *devices: str) -> KeyFolder:
    """Make the keys of a server and of devices."""
    keys = KeyFolder(folder)
    keys.make_server([HOST], 90, NOW)
    for name in devices:
        keys.make_device(name, NOW)
    return keys


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files by their place."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
