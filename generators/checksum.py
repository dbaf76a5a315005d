"""Whether a downloaded file is the one that was meant."""

import hashlib
from pathlib import Path

from strategies.common.errors import GeneratorError


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal.

    Raises
    ------
    GeneratorError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GeneratorError(f"{path}: cannot be read: {error.strerror or error}") from None


def require_sha256(path: Path, expected: str) -> None:
    """Refuse a file with another SHA-256.

    Raises
    ------
    GeneratorError
        With both sums.
    """
    found = sha256(path)
    if found != expected.strip().lower():
        raise GeneratorError(
            f"{path}: expected SHA-256 {expected}, got {found}; download the file again, or "
            f"correct the sum if you trust this one"
        )
