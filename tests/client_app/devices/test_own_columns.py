"""What a device's operator says of its own table, where the run says otherwise."""

from collections.abc import Callable
from pathlib import Path

from client_app.devices.message_device import LocalDevice
from client_app.node import NodeConfig
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
