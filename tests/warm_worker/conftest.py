"""A place to run warm workers in."""

from pathlib import Path

import pytest

from tests.warm_worker.workplace import Workplace


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    """Return a place with libraries, bundles and a temporary folder of its own."""
    return Workplace(tmp_path)
