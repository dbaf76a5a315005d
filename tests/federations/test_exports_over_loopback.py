"""What a client leaves with classifies as the journal says that the client did."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from federations.split_federation import EXCHANGING, OTHERS
from federations.tiny_federations import tiny
from loopback import Federation

from client_app import export
from client_app.exporting import card
from client_app.exporting.found import find
from client_app.exporting.opened import Opened, open_model
from client_app.exporting.taken import take
from strategies.common.samples import Samples, prepare

pytestmark = [pytest.mark.federation, pytest.mark.usefixtures("prepared_once")]


def exported(
    played: Federation, out: Path, partition: int, *more: str, server: bool = False
) -> Opened:
    words = [str(played.folder / "state" / "test"), f"--partition={partition}", f"--out={out}"]
    words += [f"--server={played.run_folder}"] if server else []
    assert export.main([*words, *more]) == 0
    return open_model(out)


def own_test(played: Federation, partition: int, *, server: bool) -> Samples:
    folder = find(played.folder / "state" / "test", partition)
    held = played.run_folder if server else None
    return take(folder, server=held, state_dir=played.folder / "state").test


def accuracy(opened: Opened, samples: Samples) -> float:
    with torch.no_grad():
        found = opened.network(prepare(samples.inputs)).argmax(1)
    return int((found == samples.labels).sum()) / len(samples)


def journal(played: Federation, partition: int) -> dict[str, Any]:
    node: dict[str, Any] = played.lines()[-1]["nodes"][str(partition)]
    return node


CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "local": ({}, False),
    "fd": ({}, False),
    "dsfl": ({}, False),
    "fedmd": ({}, False),
    "feddf": ({}, True),
    "fedktl": ({}, False),
    "fedavg": ({}, True),
    "fedgen": ({}, True),
    "fedgen-head": ({"fedgen__sharing": "head"}, True),
    "fedavg-trained": ({"fedavg__test": "trained"}, False),
    "fedproto": ({}, True),
    "fedproto-all": ({"fedproto__test_classes": "all"}, True),
    "fedproto-head": ({"fedproto__inference": "head"}, False),
    "fedtgp": ({}, True),
    "fedgh": ({}, True),
    "lgfedavg": ({}, True),
    "lgfedavg-trained": ({"lgfedavg__test": "trained"}, False),
    "fml": ({}, False),
    "fedkd": ({}, False),
    "fedmrl": ({}, True),
    "fedl2g": ({}, False),
}


@pytest.mark.quick("local", "fedktl", "fedproto", "fedavg")
@pytest.mark.parametrize("case", CASES)
def test_an_exported_client_is_as_good_as_the_journal_says(tmp_path: Path, case: str) -> None:
    changes, server = CASES[case]
    played = tiny(tmp_path, case.partition("-")[0], **changes)
    played.play()
    for partition in range(3):
        opened = exported(played, tmp_path / f"out-{partition}", partition, server=server)
        told = journal(played, partition)
        found = accuracy(opened, own_test(played, partition, server=server))
        assert found == pytest.approx(told["accuracy"], abs=1e-12)
        measured = opened.card.measured
        assert measured.accuracy == pytest.approx(told["accuracy"], abs=1e-12)
        assert measured.test_samples == told["test_samples"]
        assert opened.card.architecture.name == told["model"]
        assert opened.card.round == 2


def test_every_method_of_models_of_ones_own_is_exported_here() -> None:
    assert {case.partition("-")[0] for case in CASES} == set(OTHERS)


def test_prototypes_lie_on_the_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    played = tiny(tmp_path, "fedproto")
    played.play()
    capsys.readouterr()
    state = str(tmp_path / "state" / "test")
    assert export.main([state, "--partition=0", f"--out={tmp_path / 'out'}"]) == 1
    told = capsys.readouterr().err
    assert "what classifies its clients' samples, lies on the server" in told
    assert "--server <runs-dir>/<run-name>" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.thorough
def test_prototypes_of_half_precision_are_those_that_arrived(tmp_path: Path) -> None:
    played = tiny(tmp_path, "fedproto", wire_dtype="float16")
    played.play()
    opened = exported(played, tmp_path / "out", 1, server=True)
    rows = opened.network.prototypes
    assert torch.equal(rows, rows.half().float())  # type: ignore[operator]
    assert accuracy(opened, own_test(played, 1, server=True)) == pytest.approx(
        journal(played, 1)["accuracy"], abs=1e-12
    )


def test_a_split_network_is_joined_from_the_servers_checkpoint(tmp_path: Path) -> None:
    played = tiny(tmp_path, "splitfed", clients_per_node=1, evaluate_every=1)
    played.play()
    for partition in range(2):
        opened = exported(played, tmp_path / f"out-{partition}", partition, server=True)
        told = journal(played, partition)
        found = accuracy(opened, own_test(played, partition, server=True))
        assert found == pytest.approx(told["accuracy"], abs=1e-12)
        assert opened.card.measured.accuracy == pytest.approx(told["accuracy"], abs=1e-12)
        assert opened.card.architecture.name == "resnet18 cut 1"


@pytest.mark.thorough
def test_what_learns_no_classes_leaves_as_features(tmp_path: Path) -> None:
    played = tiny(tmp_path, "mocosfl")
    played.play()
    opened = exported(played, tmp_path / "out", 0, server=True)
    assert (opened.card.outputs, opened.card.classifier) == (card.FEATURES, "")
    features = opened.network(prepare(own_test(played, 0, server=True).inputs))
    assert features.shape[1] == 8 * 4


@pytest.mark.parametrize("method", EXCHANGING)
def test_a_split_method_leaves_nothing_of_the_network_on_the_device(
    tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny(tmp_path, method, rounds=1).play()
    capsys.readouterr()
    state = str(tmp_path / "state" / "test")
    assert export.main([state, "--partition=1", f"--out={tmp_path / 'out'}"]) == 1
    told = capsys.readouterr().err
    assert "the network, both parts of it, lies on the server" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda run: (run / "settings.toml").unlink(), "expected the folder of a run on the"),
        (lambda run: (run / "rounds.jsonl").write_text(""), "with a complete round, found none"),
        (
            lambda run: [file.unlink() for file in (run / "checkpoints").iterdir()],
            "expected the checkpoint of round 1",
        ),
        (
            lambda run: (run / "settings.toml").write_text(
                (run / "settings.toml").read_text().replace("seed = 0", "seed = 1")
            ),
            "seed is 1 there and 0 in the client's state",
        ),
    ],
)
def test_another_or_a_spoilt_run_of_the_server_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], object],
    told: str,
) -> None:
    played = tiny(tmp_path, "fedproto", rounds=1)
    played.play()
    spoil(played.run_folder)
    capsys.readouterr()
    words = [str(tmp_path / "state" / "test"), "--partition=0", f"--out={tmp_path / 'out'}"]
    assert export.main([*words, f"--server={played.run_folder}"]) == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_clients_with_adapters_are_sent_to_their_own_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from client_app.store import ClientStore

    store = ClientStore(tmp_path / "state" / "test" / "4")
    store.save(1, {"own": torch.zeros(1)}, base=0, method="feddat")
    assert export.main([str(tmp_path / "state" / "test"), f"--out={tmp_path / 'out'}"]) == 1
    told = capsys.readouterr().err
    assert "python -m client_app.export_adapter --run test" in told
    assert "partition-id=4" in told


def test_the_card_says_what_is_needed_to_use_the_model(tmp_path: Path) -> None:
    played = tiny(tmp_path, "local", rounds=1)
    played.play()
    exported(played, tmp_path / "out", 1)
    told = json.loads((tmp_path / "out" / "model.json").read_text())
    assert told["made_by"] == "Nectar"
    assert told["architecture"] == {
        "name": "resnet4",
        "built_by": "models.resnet:resnet4",
        "own": False,
        "feature_dim": 32,
        "split": {},
        "beside": "",
    }
    assert told["inputs"] == {"kind": "images", "sizes": {"channels": 1, "height": 8, "width": 8}}
    assert told["classes"] == [str(digit) for digit in range(10)]
    assert told["normalisation"] == "uint8 pixels p become p / 127.5 - 1; floats stay as they are"
    assert told["measured"]["said_by"] == "the device's own test in round 1"
    assert list(told["files"]) == ["model.safetensors"]


@pytest.mark.parametrize("method", ["fedproto", "fedavg"])
def test_a_state_goes_with_the_part_of_the_server_that_it_was_tested_with(
    tmp_path: Path, method: str
) -> None:
    """A server that died before it wrote down its last round knows less than the devices."""
    played = tiny(tmp_path / "run", method, rounds=3)
    played.play()
    lines = (played.run_folder / "rounds.jsonl").read_text().splitlines(keepends=True)
    (played.run_folder / "rounds.jsonl").write_text("".join(lines[:2]))
    for partition in range(3):
        opened = exported(played, tmp_path / f"out-{partition}", partition, server=True)
        told = opened.card.measured.accuracy
        assert opened.card.round == 2
        assert told == json.loads(lines[1])["nodes"][str(partition)]["accuracy"]
        found = accuracy(opened, own_test(played, partition, server=True))
        assert found == pytest.approx(told, abs=1e-6)


def test_a_state_that_nobody_tested_with_the_servers_part_has_no_accuracy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    played = tiny(tmp_path / "run", "fedproto", rounds=3)
    played.play()
    newest = played.folder / "state" / "test" / "1" / "round-000003.safetensors"
    newest.write_bytes(newest.read_bytes()[:-9])
    card_of = exported(played, tmp_path / "out", 1, server=True).card
    assert (card_of.round, card_of.measured.accuracy) == (2, None)
    told = capsys.readouterr().out
    assert "accuracy not known" in told
    assert "round-000003.safetensors: expected" in told, told
    assert "which is not there: how the model does was never tested" in told
    assert len(card_of.notes) == 3
    assert str(tmp_path) not in str(card_of.notes)
