"""The SHA-256 of a downloaded file."""

from pathlib import Path

import pytest

from generators.checksum import require_sha256, sha256
from strategies.common.errors import GeneratorError

# SHA-256 of "abc", FIPS 180-2, appendix B.1.
_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_sum_is_the_published_one(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256(path) == _ABC
    require_sha256(path, f" {_ABC.upper()} ")
    path.write_bytes(b"abd")
    with pytest.raises(GeneratorError, match=f"expected SHA-256 {_ABC}, got "):
        require_sha256(path, _ABC)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GeneratorError, match="cannot be read: No such file"):
        sha256(tmp_path / "none")
