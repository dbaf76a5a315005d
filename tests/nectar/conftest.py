"""Where tests play from Python."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nectar.small_plays import prepared_in


@pytest.fixture
def runs(tmp_path: Path, prepared_once: None) -> Path:
    """Return a folder for runs."""
    return prepared_in(tmp_path)


@pytest.fixture(scope="module", autouse=True)
def _no_pages() -> Iterator[None]:
    """Write no page, which takes longer than a tiny run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("server_app.run.page.write_report", lambda *_, **__: Path("no page"))
        yield
