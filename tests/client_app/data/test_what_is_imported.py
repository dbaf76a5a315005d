"""What a process that forks itself for its clients imports for all of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from client_app.data import prepared
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]


@pytest.mark.parametrize(
    ("data", "partition", "expected"),
    [
        ("digits", "iid", ["sklearn.datasets"]),
        ("images:{}", "iid", []),
        ("images:{}", "dirichlet", ["flwr_datasets"]),
        ("vqa-parquet:{}", "dirichlet", ["pyarrow.parquet", "flwr_datasets"]),
        # What is a device's own, and what is drawn for each, is not dealt.
        ("folder:{}", "dirichlet", []),
        ("digitgrid:standard", "dirichlet", []),
    ],
)
def test_a_source_says_what_reading_it_imports_and_dealing_what_it_imports(
    data: str,
    partition: str,
    expected: list[str],
    run_settings: Build,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    imported: list[str] = []
    monkeypatch.setattr(prepared, "import_module", imported.append)
    monkeypatch.setattr(prepared, "fingerprint", lambda *_: "name")
    chosen = run_settings(data=data.format(tmp_path), partition=partition)
    prepared.import_for(chosen, 2, tmp_path / "prepared")
    assert imported == expected
