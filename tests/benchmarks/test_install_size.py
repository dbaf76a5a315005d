"""What counts as a distribution's: its files, and byte code that no installer lists."""

from pathlib import Path

import pytest

from benchmarks.install_size import bytes_in, requirements, sizes


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with one distribution of 100 bytes and 40 of its byte code."""
    own = tmp_path / "own"
    for path, size in ((own / "a.py", 100), (own / "__pycache__" / "a.cpython-311.pyc", 40)):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(size))
    info = tmp_path / "own-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.5\n")
    (info / "RECORD").write_text("own/a.py,,\nown-1.5.dist-info/METADATA,,\nown/gone.py,,\n")
    return tmp_path


def test_byte_code_counts_once_and_what_is_gone_does_not(place: Path) -> None:
    about = (place / "own-1.5.dist-info" / "METADATA").stat().st_size
    assert sizes(place) == {"own": ("1.5", 140 + about)}
    record = place / "own-1.5.dist-info" / "RECORD"
    record.write_text(f"{record.read_text()}own/__pycache__/a.cpython-311.pyc,,\n")
    assert sizes(place) == {"own": ("1.5", 140 + about)}


def test_links_count_nothing(place: Path) -> None:
    before = bytes_in(place)
    (place / "link").symlink_to(place / "own" / "a.py")
    assert bytes_in(place) == before


def test_extras_come_on_top() -> None:
    assert requirements([])[0].startswith("cryptography")
    assert [line for line in requirements(["onnx"]) if line.startswith("onnxruntime")]
