"""What a device's operator says of its own table, where the run says otherwise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from client_app.devices.message_device import LocalDevice
from client_app.node import NodeConfig
from strategies.common.errors import DataError, SettingsError
from strategies.common.inputs import Columns, Tokens
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]


def device(run: RunSettings, tmp_path: Path, **node: str) -> LocalDevice:
    state = str(tmp_path / "state")
    return LocalDevice(
        NodeConfig(partition_id=0, num_partitions=2, state_dir=state, **node), run, 1
    )


def test_columns_have_the_names_that_this_device_gives_them(
    run_settings: Build, tmp_path: Path
) -> None:
    table = tmp_path / "own.csv"
    rows = [f"{n}.5,{'xy'[n % 2]},{n * n}.25,{'pqr'[n % 3]}" for n in range(40)]
    table.write_text("\n".join(["height,kind,weight,colour", *rows]))
    run = run_settings(method="local", models="mlp", label_column="colour", device="cpu")
    told = {"data": f"own-csv:{table}"}
    as_run = device(run, tmp_path, **told)
    assert (as_run.data.class_names, as_run.data.inputs) == (("p", "q", "r"), Columns(2))
    own = device(run, tmp_path, **told, label_column="kind", input_columns="weight")
    assert (own.data.class_names, own.data.inputs) == (("x", "y"), Columns(1))


def test_other_columns_than_a_model_has_learnt_from_are_refused(
    run_settings: Build, tmp_path: Path
) -> None:
    table = tmp_path / "own.csv"
    rows = [f"{n}.5,{'xy'[n % 2]},{n * n}.25,{'pqr'[n % 3]}" for n in range(40)]
    table.write_text("\n".join(["height,kind,weight,colour", *rows]))
    run = run_settings(method="local", models="mlp", device="cpu")
    told = {"data": f"own-csv:{table}", "label_column": "kind"}
    began = device(run, tmp_path, **told).origin
    assert began.compare(device(run, tmp_path, **told).origin, private=False) == ()
    for other in ({"input_columns": "weight"}, {"input_columns": "weight,height"}):
        now = device(run, tmp_path, **told, **other).origin
        with pytest.raises(DataError, match="other columns are read than those that the model"):
            began.compare(now, private=False)


def test_open_data_of_a_devices_own_table_are_refused(run_settings: Build, tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text("\n".join(["kind,height", *(f"{'xy'[n % 2]},{n}.5" for n in range(40))]))
    run = run_settings(method="dsfl", models="mlp", open_data=f"csv:{table}", device="cpu")
    own = device(run, tmp_path, data=f"own-csv:{table}")
    own.asks_about_open_data = True
    with pytest.raises(SettingsError, match="expected samples that are no client's own"):
        _ = own.task


def test_open_data_are_read_by_the_runs_columns_whatever_the_device_calls_its_own(
    run_settings: Build, tmp_path: Path
) -> None:
    own, opened = tmp_path / "own.csv", tmp_path / "open.csv"
    rows = [f"{n}.5,{'xy'[n % 2]},{n * n}.25" for n in range(80)]
    own.write_text("\n".join(["hoch,art,schwer", *rows[:40]]))
    opened.write_text("\n".join(["height,kind,weight", *rows[40:]]))
    run = run_settings(
        method="dsfl",
        models="mlp",
        device="cpu",
        open_data=f"csv:{opened}",
        label_column="kind",
        input_columns="height,weight",
    )
    told = {"label_column": "art", "input_columns": "hoch,schwer"}
    there = device(run, tmp_path, data=f"own-csv:{own}", **told)
    there.asks_about_open_data = True
    assert (there.task.inputs, len(there.open_data.inputs)) == (Columns(2), 40)


def test_the_file_of_words_lies_elsewhere_and_is_the_same(
    run_settings: Build, tmp_path: Path
) -> None:
    table = tmp_path / "own.csv"
    table.write_text(
        "\n".join(["kind,text", *(f"{'xy'[n % 2]},the very word{n}" for n in range(40))])
    )
    for name in ("runs", "here"):
        (tmp_path / f"{name}.txt").write_text("\n".join(f"word{n}" for n in range(40)))
    run = run_settings(
        method="local",
        models="fasttext",
        text_length=4,
        device="cpu",
        open_data=f"csv:{table}",
        data=f"own-csv:{table}",
        vocabulary_file=str(tmp_path / "runs.txt"),
    )
    there = device(run, tmp_path)
    expected, opened = there.data, there.open_data
    (tmp_path / "runs.txt").unlink()
    here = device(run, tmp_path, vocabulary_file=str(tmp_path / "here.txt"))
    assert here.data.inputs == Tokens(4, 42)
    assert here.data.words == expected.words
    assert here.open_data.told == opened.told
