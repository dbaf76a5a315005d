"""The command: which state, where to, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from loopback import Federation
from PIL import Image

from client_app import export
from client_app.blueprint import Blueprint
from client_app.exporting import card
from client_app.exporting.opened import open_model
from client_app.store import ClientStore

SETTINGS: dict[str, bool | int | float | str] = {
    "method": "local",
    "models": "cnn,resnet4",
    "data": "digits",
    "max-samples": 40,
    "feature-dim": 32,
    "rounds": 1,
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("played")
    Federation(folder, 2, SETTINGS).play()
    return folder / "state" / "test"


def told(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Return the one line of what the command refuses."""
    assert export.main([str(word) for word in words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_client_leaves_with_its_model(
    played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert export.main([str(played), "--partition", "1", "--out", str(out)]) == 0
    line = capsys.readouterr().out
    assert "client 1 of test after round 1 of local, resnet4" in line
    assert "classifies by the largest logit of the model's head; accuracy" in line
    assert sorted(file.name for file in out.iterdir()) == [card.CARD, card.WEIGHTS]
    stored = ClientStore(played / "1").newest().tensors
    for name, value in open_model(out).network.state_dict().items():
        assert torch.equal(value, stored[f"model/{name}"])
    # Named as a folder of its own, it needs no number.
    assert export.main([str(played / "1"), "--out", str(tmp_path / "again")]) == 0


def test_what_was_exported_before_is_replaced_when_asked_and_nothing_else(
    played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = (played, "--partition=0", f"--out={out}")
    assert export.main([str(word) for word in words]) == 0
    capsys.readouterr()
    assert "give --replace" in told(capsys, *words)
    assert export.main([str(played), "--partition=1", f"--out={out}", "--replace"]) == 0
    assert card.read(out).client == 1
    (out / "notes.txt").write_text("mine")
    capsys.readouterr()
    assert "got one with files in it" in told(capsys, *words, "--replace")
    assert (out / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_no_such_run_or_client_says_what_there_is(
    played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = f"--out={tmp_path / 'out'}"
    assert "found the states of clients 0, 1; name one with --partition" in told(
        capsys, played, out
    )
    assert "found the states of clients 0, 1; there is no 7" in told(
        capsys, played, out, "--partition=7"
    )
    assert "found none; name <state-dir>/<run-name> of this device; runs in it: test" in told(
        capsys, played.parent, out
    )
    assert "found none; name <state-dir>/<run-name>" in told(capsys, tmp_path / "absent", out)
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_looked_at_is_told(
    played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody, long = "~nobody-of-that-name/x", tmp_path / ("n" * 300)
    out = f"--out={tmp_path / 'out'}"
    home = f"{nobody}: expected a home folder of that name, found none"
    assert told(capsys, nobody, out) == f"StoreError: {home}; name it in full"
    assert f"--out {home}" in told(capsys, played, f"--out={nobody}")
    assert f"--server {home}" in told(capsys, played, "--partition=0", out, f"--server={nobody}")
    assert "cannot be looked at (File name too long)" in told(capsys, long, out)
    assert f"--server {long}" in told(capsys, played, "--partition=0", out, f"--server={long}")
    assert f"--out {long}: cannot be" in told(capsys, played, "--partition=0", f"--out={long}")


def resaved(played: Path, folder: Path, **changes: object) -> Path:
    """Return a copy of a client's state whose blueprint says something else."""
    stored = ClientStore(played / "0").newest()
    text = json.dumps({**json.loads(stored.blueprint), **changes}) if changes else ""
    store = ClientStore(folder / "other" / "0")
    store.save(1, stored.tensors, base=0, method="local", origin=stored.origin, blueprint=text)
    return folder / "other"


def test_a_state_of_another_model_is_named(
    played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = resaved(played, tmp_path, architecture="resnet6")
    line = told(capsys, state, f"--out={tmp_path / 'out'}")
    assert "expected a state of resnet6, got: stored state does not fit model" in line
    assert not (tmp_path / "out").exists()


def test_a_state_of_an_earlier_version_says_what_to_do(
    played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = told(capsys, resaved(played, tmp_path), f"--out={tmp_path / 'out'}")
    assert "earlier version of Nectar; go on with its run for one round" in line


def test_a_blueprint_of_a_later_version_says_what_to_do(
    played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = told(capsys, resaved(played, tmp_path, shape="new"), f"--out={tmp_path / 'out'}")
    assert "export with the version of Nectar that played the run" in line


def test_a_damaged_state_is_told(
    played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = resaved(played, tmp_path, num_partitions=2)
    path = state / "0" / "round-000001.safetensors"
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(bytes(blob))
    line = told(capsys, state, f"--out={tmp_path / 'out'}")
    assert "expected an intact state, got" in line
    assert "it is damaged" in line


def test_data_that_are_named_must_be_there(
    played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (played, "--partition=0", f"--out={tmp_path / 'out'}")
    line = told(capsys, *words, f"--data=folder:{tmp_path / 'absent'}")
    assert "name them with --data" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("mode", "side", "got"),
    [("RGB", 16, "3 x 16 x 16"), ("RGB", 8, "3 x 8 x 8"), ("L", 16, "1 x 16 x 16")],
)
def test_samples_that_the_model_cannot_read_are_refused(
    played: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mode: str,
    side: int,
    got: str,
) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for number in range(30):
            image = Image.new(mode, (side, side), number if mode == "L" else (number, 0, 0))
            image.save(tmp_path / "own" / name / f"{number}.png")
    out = tmp_path / "out"
    line = told(capsys, played, "--partition=0", f"--out={out}", f"--data=folder:{tmp_path}/own")
    assert "--data: expected images of 1 x 8 x 8 (channels x height x width) as the mod" in line
    assert f"got images of {got} (channels x height x width); name other samples" in line
    assert not out.exists()


def test_a_state_says_how_its_model_is_built(played: Path) -> None:
    text = ClientStore(played / "1").newest().blueprint
    blueprint = Blueprint.from_text(text, "here")
    assert (blueprint.architecture, blueprint.partition) == ("resnet4", 1)
    assert blueprint.config()["feature-dim"] == 32
    assert blueprint.task.num_classes == 10
    assert Blueprint.from_text(blueprint.to_text(), "here") == blueprint
    # Where it was played is nobody's business.
    assert not {"runs-dir", "state-dir"} & blueprint.settings.keys()


def test_a_state_in_another_clients_folder_is_refused(
    played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(played / "1", tmp_path / "state" / "run" / "0")
    words = [str(tmp_path / "state" / "run"), "--partition=0", f"--out={tmp_path / 'out'}"]
    assert export.main(words) == 1
    assert "expected the state of client 0, got that of client 1" in capsys.readouterr().err


def test_a_state_that_a_run_left_behind_is_taken_away_from_where_it_is_kept(
    played: Path, tmp_path: Path
) -> None:
    """A run of the same name began anew: what was trained longer lies aside."""
    shutil.copytree(played / "1", tmp_path / "state" / "run" / "1")
    store = ClientStore(tmp_path / "state" / "run" / "1")
    own = store.newest()
    for number, base in ((3, 1), (1, 0)):
        told = {"method": own.method, "run": own.run, "origin": own.origin}
        store.save(number, own.tensors, base=base, blueprint=own.blueprint, **told)
    aside = tmp_path / "state" / "run" / "1" / "earlier"
    assert export.main([str(aside), f"--out={tmp_path / 'out'}"]) == 0
    taken = open_model(tmp_path / "out").card
    assert (taken.client, taken.round, taken.run) == (1, 3, "run")
    assert not (tmp_path / "state" / "run" / "prepared").exists()
