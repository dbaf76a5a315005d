"""FAug before the first round of any method: once for each client, resumed, and refused by name."""

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from federations.tiny_federations import tiny, unstated
from flwr.app import Array, ArrayRecord, Message, RecordDict
from loopback import Federation, without_clocks

from client_app.augmented import FILE
from server_app.run_record import read_run_record
from strategies.common.errors import NectarError
from strategies.common.transport.envelope import read_blob

pytestmark = pytest.mark.federation

SEEDS = "faug.seeds"


def augmented(folder: Path, method: str = "fd", **own: Any) -> Federation:
    usual = {
        "augmentation": "faug",
        "partition": "dirichlet",
        "dirichlet_alpha": 0.5,
        "faug__hidden_dim": 8,
        "faug__steps": 20,
        "faug__oversampled": 8,
    }
    return tiny(folder, method, **{**usual, **own})


def asked(run: Federation) -> list[str]:
    return [message.metadata.message_type for message in run.grid.sent]


def kept(run: Federation, client: int) -> Path:
    return run.folder / "state" / "test" / str(client) / FILE


@pytest.mark.parametrize("method", ["fd", "fedavg", "local", "fedproto"])
def test_clients_learn_from_what_they_lack(tmp_path: Path, method: str) -> None:
    plain = tiny(tmp_path / "plain", method, partition="dirichlet", dirichlet_alpha=0.5).play()
    run = augmented(tmp_path / "augmented", method)
    lines = run.play()
    before = ["query"] * 3 + ["query.seeds"] * 3 + ["query.generate"] * 3
    assert asked(run)[:9] == before
    assert not any(kind.startswith("query") for kind in asked(run)[9:])
    told = lines[0]["diagnostics"]
    assert told["faug_generated"] > 50
    assert 0 < told["faug_seeds"] <= 3 * 50
    assert not any(name.startswith("faug") for name in lines[1]["diagnostics"])
    assert not unstated(method, lines, "faug")
    assert lines[0]["seconds"]["augment"] > 0
    more = 0
    for number, node in lines[0]["nodes"].items():
        alone = plain[0]["nodes"][number]
        assert node["test_samples"] == alone["test_samples"]
        more += node["train_samples"] - alone["train_samples"]
        sizes = node["payload_bytes"]
        assert sizes["down/faug.generator"] > 4 * 8 * 8
        assert sizes["up/faug.seeds"] > 64
        assert not any("faug" in name for name in lines[1]["nodes"][number]["payload_bytes"])
    assert more == told["faug_generated"]
    listed = json.loads((run.run_folder / "clients.json").read_text())
    assert "leak_to_devices" in json.dumps(listed)
    assert read_run_record(run.run_folder).presentation.variant.endswith("with FAug")
    assert not read_run_record(run.run_folder).presentation.alone
    assert len([*(run.run_folder / "images").rglob("faug-class-*.png")]) == told["faug_labels"]


def test_labels_are_even_after_it(tmp_path: Path) -> None:
    run = augmented(tmp_path, faug__target_below=1.0)
    run.play()
    listed = json.loads((run.run_folder / "clients.json").read_text())["clients"]
    for client in range(3):
        made = safetensors.torch.load(kept(run, client).read_bytes())
        own = torch.tensor(listed[str(client)]["train_counts"])
        every = own + made["labels"].bincount(minlength=len(own))
        assert {*every.tolist()} == {own.max().item()}
        assert own.sum() == listed[str(client)]["train_samples"] - len(made["labels"])
        assert listed[str(client)]["generated"] == len(made["labels"])
        assert made["inputs"].shape[1:] == (1, 8, 8)
        assert len(made["inputs"]) == len(made["labels"]) > 0
        assert kept(run, client).stat().st_mode & 0o777 == 0o600


def test_a_resumed_run_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = augmented(tmp_path / "whole", rounds=3).play()
    augmented(tmp_path / "parts", rounds=1).play()
    # A client that lost what it had generated gets the same again; the others nothing.
    lost = augmented(tmp_path / "parts", rounds=3, resume=True)
    kept(lost, 1).unlink()
    resumed = lost.play()
    assert asked(lost).count("query.seeds") == 0
    assert asked(lost).count("query.generate") == 1
    numbers = [
        {n: node["accuracy"] for n, node in line["nodes"].items()} for line in (*resumed, *whole)
    ]
    assert numbers[:3] == numbers[3:]
    augmented(tmp_path / "again", rounds=1).play()
    again = augmented(tmp_path / "again", rounds=3, resume=True)
    assert without_clocks(again.play()) == without_clocks(whole)
    assert asked(again)[:4] == ["query"] * 3 + ["train"]


def test_who_comes_later_learns_from_the_same_generator(tmp_path: Path) -> None:
    run = augmented(tmp_path, rounds=1, min_nodes=2)
    run.grid.offline = {102}
    run.play()
    later = augmented(tmp_path, rounds=2, resume=True, min_nodes=2)
    lines = later.play()
    assert asked(later).count("query.generate") == 1
    assert "faug_generated" in lines[1]["diagnostics"]
    assert set(lines[1]["nodes"]) == {"0", "1", "2"}


def _label(tensors: dict[str, torch.Tensor]) -> None:
    tensors["labels"][0] = 77


def _larger(tensors: dict[str, torch.Tensor]) -> None:
    tensors["pixels"] = tensors["pixels"].repeat(1, 2)


def _many(tensors: dict[str, torch.Tensor]) -> None:
    tensors["pixels"] = tensors["pixels"][:1].repeat(99, 1)
    tensors["labels"] = tensors["labels"][:1].repeat(99)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_label, r"labels: expected .*77"),
        (_larger, r"pixels: expected .*64.*128"),
        (_many, r"expected .*50.*99"),
    ],
)
def test_seeds_that_are_none_are_left_out_by_name(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], None], told: str
) -> None:
    run = augmented(tmp_path)

    def tamper(node_id: int, reply: Message) -> Message:
        if node_id != 101 or SEEDS not in reply.content:
            return reply
        blob = read_blob(reply.content, SEEDS, "test")
        (length,) = struct.unpack("<Q", blob[:8])
        stamp = json.loads(blob[8 : 8 + length])["__metadata__"]
        tensors = safetensors.torch.load(blob)
        change(tensors)
        packed = safetensors.torch.save(tensors, metadata=stamp)
        array = Array("uint8", (len(packed),), "nectar.safetensors", packed)
        reply.content = RecordDict({**reply.content, SEEDS: ArrayRecord({"blob": array})})
        return reply

    run.grid.tamper = tamper
    lines = run.play()
    (note,) = [note for note in lines[0]["notes"] if "faug" in note or "seeds" in note]
    assert note.startswith("client 1 (")
    assert re.search(told, note), note
    # It learns from the others' generator all the same.
    assert set(lines[0]["nodes"]) == {"0", "1", "2"}
    assert lines[0]["diagnostics"]["faug_generated"] > 0


def test_who_cannot_generate_says_so_and_goes_on(tmp_path: Path) -> None:
    run = augmented(tmp_path)

    def tamper(node_id: int, reply: Message) -> Message | None:
        lost = run.grid.sent[-1].metadata.message_type == "query.seeds" and node_id == 102
        if lost:
            reply.content = RecordDict()
        return reply

    run.grid.tamper = tamper
    lines = run.play()
    assert any("client 2" in note and "description" in note for note in lines[0]["notes"])
    assert set(lines[0]["nodes"]) == {"0", "1", "2"}


def test_nobody_lacks_a_label(tmp_path: Path) -> None:
    lines = tiny(
        tmp_path / "even",
        "fd",
        augmentation="faug",
        partition="iid",
        faug__target_below=0.01,
        faug__redundant_labels=2,
    ).play()
    assert any("no client lacks a label by faug.target-below=0.01" in n for n in lines[0]["notes"])
    assert not any(name.startswith("faug") for name in lines[0]["diagnostics"])


def test_settings_are_checked_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(NectarError, match=r"faug\.oversampler: expected open-data beside 'open'"):
        augmented(tmp_path, faug__oversampler="open").play()
    with pytest.raises(NectarError, match=r"augmentation: expected 'none' for fedadapter"):
        tiny(tmp_path, "fedadapter", augmentation="faug").play()
    with pytest.raises(NectarError, match=r"augmentation: expected 'none' for mocosfl"):
        tiny(tmp_path, "mocosfl", augmentation="faug").play()
    with pytest.raises(NectarError, match=r"faug\.steps"):
        augmented(tmp_path, faug__steps=0).play()
    assert not (tmp_path / "runs").exists()


def test_open_data_take_the_place_of_variations(tmp_path: Path) -> None:
    lines = augmented(
        tmp_path, faug__oversampler="open", open_data="digits", open_samples=60
    ).play()
    assert lines[0]["diagnostics"]["faug_generated"] > 50
