import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from client_app.data import fingerprint as module
from client_app.data.fingerprint import fingerprint
from client_app.data.looked_at_once import forget_files
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
        {"channels": 3},
        {"window_length": 64},
        {"seed": 1},
    ],
)
def test_what_changes_the_data_changes_it(run_settings: Build, change: dict[str, Any]) -> None:
    assert fingerprint(run_settings(**change), DIGITS, 0, 5) != fingerprint(
        run_settings(), DIGITS, 0, 5
    )


def test_training_does_not_change_it(run_settings: Build) -> None:
    other = run_settings(learning_rate=0.5, rounds=7, method="local")
    assert fingerprint(other, DIGITS, 0, 5) == fingerprint(run_settings(), DIGITS, 0, 5)


def test_clients_source_and_format_change_it(
    run_settings: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = run_settings()
    found = {
        fingerprint(chosen, DIGITS, 0, 5),
        fingerprint(chosen, DIGITS, 0, 6),
        fingerprint(chosen, Source("hub", "a"), 0, 5),
        fingerprint(chosen, Source("hub", "b"), 0, 5),
    }
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    found.add(fingerprint(chosen, DIGITS, 0, 5))
    assert len(found) == 5


def test_a_changed_file_changes_it(run_settings: Build, tmp_path: Path) -> None:
    image = tmp_path / "cats" / "a.png"
    image.parent.mkdir()
    image.write_bytes(b"12")
    chosen, source = run_settings(), Source("folder", str(tmp_path))
    found = [fingerprint(chosen, source, 0, 5)]
    # It is told that this one is left out.
    (tmp_path / "unrelated.txt").write_text("x")
    found.append(fingerprint(chosen, source, 0, 5))
    image.write_bytes(b"123")
    found.append(fingerprint(chosen, source, 0, 5))
    os.utime(image, ns=(1, 1))
    found.append(fingerprint(chosen, source, 0, 5))
    image.rename(image.with_name("b.png"))
    found.append(fingerprint(chosen, source, 0, 5))
    (tmp_path / "classes.txt").write_text("cats")
    found.append(fingerprint(chosen, source, 0, 5))
    assert len(set(found)) == 6


def test_missing_files_are_refused(run_settings: Build, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        fingerprint(run_settings(), Source("parquet", str(tmp_path / "none")), 0, 5)


def test_files_of_all_clients_are_looked_at_once_until_they_are_forgotten(
    run_settings: Build, tmp_path: Path
) -> None:
    image = tmp_path / "cats" / "a.png"
    image.parent.mkdir()
    image.write_bytes(b"12")
    chosen, source = run_settings(), Source("images", str(tmp_path))
    first = fingerprint(chosen, source, 0, 5)
    image.with_name("b.png").write_bytes(b"12")
    assert fingerprint(chosen, source, 1, 5) == first
    forget_files()
    assert fingerprint(chosen, source, 1, 5) != first


def test_a_client_with_files_of_its_own_depends_on_no_other(
    run_settings: Build, tmp_path: Path
) -> None:
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        for client in range(2):
            (tmp_path / part / f"{client}.npz").write_bytes(b"1")
    chosen, source = run_settings(), Source("pfllib", str(tmp_path))

    def both() -> tuple[str, str]:
        return fingerprint(chosen, source, 0, 2), fingerprint(chosen, source, 1, 2)

    counted = both()
    (tmp_path / "train" / "1.npz").write_bytes(b"12")
    # Whose labels are the highest is not known yet.
    assert both()[0] != counted[0]
    (tmp_path / "config.json").write_text('{"num_classes": 4}')
    told = both()
    (tmp_path / "train" / "1.npz").write_bytes(b"123")
    assert both()[0] == told[0]
    assert both()[1] != told[1]
