import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from client_app.data import fingerprint as module
from client_app.data.fingerprint import fingerprint
from client_app.data.sources import Source
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]
DIGITS = Source("digits", "")


@pytest.mark.parametrize(
    "change",
    [
        {"partition": "iid"},
        {"dirichlet_alpha": 0.7},
        {"classes_per_client": 3},
        {"shards_per_client": 3},
        {"min_train_samples": 11},
        {"min_test_samples": 5},
        {"max_samples": 500},
        {"test_fraction": 0.3},
        {"image_size": 16},
        {"seed": 1},
    ],
)
def test_what_changes_the_data_changes_it(run_settings: Build, change: dict[str, Any]) -> None:
    assert fingerprint(run_settings(**change), DIGITS, 5) != fingerprint(run_settings(), DIGITS, 5)


def test_training_does_not_change_it(run_settings: Build) -> None:
    other = run_settings(learning_rate=0.5, rounds=7, method="local")
    assert fingerprint(other, DIGITS, 5) == fingerprint(run_settings(), DIGITS, 5)


def test_clients_source_and_format_change_it(
    run_settings: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = run_settings()
    found = {
        fingerprint(chosen, DIGITS, 5),
        fingerprint(chosen, DIGITS, 6),
        fingerprint(chosen, Source("hub", "a"), 5),
        fingerprint(chosen, Source("hub", "b"), 5),
    }
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    found.add(fingerprint(chosen, DIGITS, 5))
    assert len(found) == 5


def test_a_changed_file_changes_it(run_settings: Build, tmp_path: Path) -> None:
    image = tmp_path / "cats" / "a.png"
    image.parent.mkdir()
    image.write_bytes(b"12")
    chosen, source = run_settings(), Source("folder", str(tmp_path))
    found = [fingerprint(chosen, source, 5)]
    (tmp_path / "unrelated.txt").write_text("x")
    assert fingerprint(chosen, source, 5) == found[0]
    image.write_bytes(b"123")
    found.append(fingerprint(chosen, source, 5))
    os.utime(image, ns=(1, 1))
    found.append(fingerprint(chosen, source, 5))
    image.rename(image.with_name("b.png"))
    found.append(fingerprint(chosen, source, 5))
    (tmp_path / "classes.txt").write_text("cats")
    found.append(fingerprint(chosen, source, 5))
    assert len(set(found)) == 5


def test_missing_files_are_refused(run_settings: Build, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        fingerprint(run_settings(), Source("parquet", str(tmp_path / "none")), 5)
