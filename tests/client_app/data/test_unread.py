"""Settings that mean nothing for a client's inputs are refused, and others are not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from client_app.data import prepared, unread
from client_app.data.sources import parse
from strategies.common.errors import DataError
from strategies.common.inputs import Columns, Images, Inputs, Tokens, Windows
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]

IMAGES, WINDOWS, TEXTS, NUMBERS = Images(1, 8, 8), Windows(3, 40), Tokens(64, 1000), Columns(30)
MEANINGLESS: list[tuple[str, Inputs, dict[str, int | str], str]] = [
    ("csv:t.csv", NUMBERS, {"image_size": 28}, "image-size: expected 0 for rows of 30 numbers"),
    ("sentences", TEXTS, {"image_size": 28}, "image-size: expected 0 for rows of 64 tokens"),
    ("pfllib:har", WINDOWS, {"channels": 3}, "channels: expected 0 for windows of 3 x 40"),
    ("digits", IMAGES, {"window_length": 64}, "window-length: expected 0 for images of 1 x 8 x 8"),
    ("digits", IMAGES, {"vocabulary_file": "w.txt"}, "vocabulary-file: expected '' for images"),
    ("digits", IMAGES, {"label_column": "kind"}, "label-column: expected '' for samples of digits"),
    ("pfllib:har", WINDOWS, {"input_columns": "a,b"}, "input-columns: expected '' for samples of"),
    ("sentences", TEXTS, {"label_column": "kind"}, "label-column: expected '' for samples of"),
]
READ: list[tuple[str, Inputs, dict[str, int | str]]] = [
    ("digits", IMAGES, {"image_size": 28, "channels": 3}),
    ("pfllib:har", WINDOWS, {"window_length": 64}),
    ("csv:t.csv", TEXTS, {"vocabulary_file": "w.txt", "label_column": "kind"}),
    ("parquet:t", IMAGES, {"image_size": 28, "label_column": "kind"}),
    # Columns are those of the open data.
    ("images:t", IMAGES, {"open_data": "parquet:o", "label_column": "kind"}),
]


@pytest.mark.parametrize(("spec", "inputs", "settings", "reason"), MEANINGLESS)
def test_a_setting_that_nothing_reads_is_refused(
    run_settings: Build, spec: str, inputs: Inputs, settings: dict[str, int | str], reason: str
) -> None:
    with pytest.raises(DataError, match=rf"^setting {reason}.* nothing reads it, got .*leave it"):
        unread.require(run_settings(**settings), parse(spec), inputs)
    unread.require(run_settings(), parse(spec), inputs)


@pytest.mark.parametrize(("spec", "inputs", "settings"), READ)
def test_a_setting_that_is_read_is_not(
    run_settings: Build, spec: str, inputs: Inputs, settings: dict[str, int | str]
) -> None:
    unread.require(run_settings(**settings), parse(spec), inputs)


def test_data_that_were_prepared_without_it_do_not_hide_it(
    run_settings: Build, tmp_path: Path
) -> None:
    """A cache is named by what is read of it, so that it is found with a setting that is not."""
    assert prepared.load(run_settings(), "digits", 0, 2, tmp_path).notes == ()
    with pytest.raises(DataError, match="label-column: expected ''"):
        prepared.load(run_settings(label_column="kind"), "digits", 0, 2, tmp_path)
