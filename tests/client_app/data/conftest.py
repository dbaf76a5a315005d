"""What several tests of tables share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from client_app.data import csv_file
from client_app.data.collection import Collection
from strategies.common.settings import RunSettings


@pytest.fixture
def read_csv(tmp_path: Path, run_settings: Callable[..., RunSettings]) -> Callable[..., Collection]:
    """Read a table with this content: a device's own, or with a list of classes, where asked."""

    def reading(
        content: str | bytes,
        *,
        classes: tuple[str, ...] = (),
        own: bool = False,
        **settings: object,
    ) -> Collection:
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return csv_file.read(path, run_settings(**settings), classes, own=own)

    return reading
