"""FAug before the first round of any method: once for each client, resumed, and refused by name."""

import json
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from federations.tiny_federations import tiny, unstated
from flwr.app import Array, ArrayRecord, Message, RecordDict
from loopback import Federation, without_clocks

import server_app.augmenting
from client_app.augmented import FILE
from server_app.augmentation_file import FILE as RUNS_OWN
from server_app.run_record import read_run_record
from strategies.common import tensor_file
from strategies.common.errors import (
    DataError,
    FederationError,
    ModelError,
    NectarError,
    StoreError,
    WireError,
)
from strategies.common.round import Aggregated
from strategies.common.transport.envelope import read_blob
from strategies.fd.server import FDServer

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


@pytest.mark.parametrize("sits_out", [True, False])
def test_all_bytes_stand_in_the_journal(tmp_path: Path, sits_out: bool) -> None:
    run = augmented(tmp_path, participation=0.5 if sits_out else 1.0)
    if not sits_out:
        run.grid.tamper = _fails_in_round_1
    first, second = run.play()
    assert first["aside"]
    assert not second["aside"]
    for own in first["aside"].values():
        assert own["downlink_bytes"] == sum(
            size for name, size in own["payload_bytes"].items() if name.startswith("down/")
        )
    every = [*first["nodes"].values(), *first["aside"].values()]
    sent = [own["payload_bytes"] for own in every if "failure" not in own]
    assert [("down/faug.generator" in one, "up/faug.seeds" in one) for one in sent] == [
        (True, True)
    ] * 3
    trained = {c for c, own in first["nodes"].items() if own.get("took_part")}
    assert not trained & first["aside"].keys()
    assert {*first["aside"], *trained} == {"0", "1", "2"}
    record = read_run_record(run.run_folder)
    assert record.rounds[0].uplink_bytes == sum(own.get("uplink_bytes", 0) for own in every)
    # A round that is played again does not lose them.
    again = augmented(tmp_path, rounds=3, participation=0.5 if sits_out else 1.0, resume=True)
    assert again.play()[0] == first


def _nobody_trains(_node_id: int, reply: Message) -> Message | None:
    return None if reply.metadata.group_id == "1" else reply


def _ended_in_round_1(folder: Path, **own: Any) -> Federation:
    """Play an attempt that completes no round."""
    run = augmented(folder, round_deadline_s=1.0, **own)
    run.grid.tamper = _nobody_trains
    with pytest.raises(FederationError, match="round 1: expected at least min-replies"):
        run.play()
    return run


def test_a_run_that_goes_on_in_round_1_tells_what_came_before_it(tmp_path: Path) -> None:
    """Clients have what they generated; what that took is told all the same."""
    whole = augmented(tmp_path / "whole", round_deadline_s=1.0)
    told = without_clocks(whole.play())
    _ended_in_round_1(tmp_path / "parts")
    again = augmented(tmp_path / "parts", round_deadline_s=1.0, resume=True)
    lines = again.play()
    assert without_clocks(lines) == told
    assert asked(again)[:4] == ["query"] * 3 + ["train"]
    assert lines[0]["seconds"]["augment"] > 0
    pictures = [
        {file.name: file.read_bytes() for file in (run.run_folder / "images").rglob("faug-*.png")}
        for run in (whole, again)
    ]
    assert pictures[0] == pictures[1] != {}


def test_a_run_that_begins_anew_asks_for_seeds_anew(tmp_path: Path) -> None:
    """Other settings, and other clients, have another generator."""
    _ended_in_round_1(tmp_path / "twice")
    again = augmented(tmp_path / "twice", faug__hidden_dim=16, faug__target_below=1.0)
    once = augmented(tmp_path / "once", faug__hidden_dim=16, faug__target_below=1.0)
    assert without_clocks(again.play()) == without_clocks(once.play())
    assert asked(again) == asked(once)


def test_what_was_generated_before_is_not_learnt_where_no_more_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ended_in_round_1(tmp_path)

    def generated(*_: object) -> None:
        raise DataError("no room")

    monkeypatch.setattr("client_app.augmented.generated", generated)
    run = augmented(tmp_path, faug__hidden_dim=16)
    first, *_ = run.play()
    assert not [client for client in range(3) if kept(run, client).exists()]
    assert len([note for note in first["notes"] if "no room; it learns from its own" in note]) == 3
    assert first["diagnostics"]["faug_generated"] == 0


def test_a_generator_that_cannot_be_sent_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = server_app.augmenting.make

    def diverged(*given: Any) -> Any:
        generator, said = made(*given) or pytest.fail("nothing was made")
        return replace(generator, parameters=generator.parameters * torch.inf), said

    monkeypatch.setattr("server_app.augmenting.make", diverged)
    run = augmented(tmp_path)
    with pytest.raises(WireError, match=r"faug\.generator\.parameters: expected finite"):
        run.play()
    assert not (run.run_folder / RUNS_OWN).exists()


def _fails_in_round_1(node_id: int, reply: Message) -> Message | None:
    return None if node_id == 101 and reply.metadata.group_id == "1" else reply


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


def test_what_was_said_before_a_round_stays_where_the_round_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeds are sent once in a run, so that what came of them is told once."""
    kept = FDServer.aggregate

    def aggregate(half: FDServer, state: Any, number: int, replies: Any) -> Aggregated:
        if number == 1:
            raise ModelError("it diverged")
        return kept(half, state, number, replies)

    monkeypatch.setattr(FDServer, "aggregate", aggregate)
    run = augmented(tmp_path)
    first, *_ = run.play()
    assert "it diverged" in str(first["notes"])
    assert first["diagnostics"]["faug_generated"] > 0
    assert [*(run.run_folder / "images").rglob("faug-class-*.png")]


def test_who_says_what_it_cannot_be_after_it_was_augmented_is_told_of(tmp_path: Path) -> None:
    """It goes on as it was, and the journal says that it generates nothing."""
    run = augmented(tmp_path)

    def tamper(node: int, reply: Message) -> Message:
        if (node, reply.metadata.message_type) == (101, "query.generate"):
            reply.content["description"]["partition"] = 2
        return reply

    run.grid.tamper = tamper
    first, *_ = run.play()
    told = "description.partition: expected 1, got 2; it learns from its own samples alone"
    assert any(told in note for note in first["notes"])
    assert set(first["nodes"]) == {"0", "1", "2"}


def test_nobody_lacks_a_label(tmp_path: Path) -> None:
    lines = tiny(
        tmp_path / "even",
        "fd",
        augmentation="faug",
        partition="iid",
        faug__target_below=0.01,
        faug__redundant_labels=2,
    ).play()
    told = "faug: no client that answered lacks a label by faug.target-below=0.01"
    assert any(note.startswith(told) for note in lines[0]["notes"])
    assert not any(name.startswith("faug") for name in lines[0]["diagnostics"])


APART = {"partition": "pathological", "classes_per_client": 2}


def test_nobody_has_samples_of_what_it_lacks(tmp_path: Path) -> None:
    whole = augmented(tmp_path / "whole", "local", rounds=3, **APART).play()
    (note,) = whole[0]["notes"]
    assert note.startswith("faug: no seeds came, so that no client generates samples")
    assert "faug.redundant-labels=1" in note
    # A run that goes on does not ask again.
    augmented(tmp_path / "parts", "local", **APART).play()
    resumed = augmented(tmp_path / "parts", "local", rounds=3, resume=True, **APART)
    assert without_clocks(resumed.play()) == without_clocks(whole)
    assert not any(kind.startswith("query.") for kind in asked(resumed))
    # What the note says helps.
    hidden = augmented(tmp_path / "hidden", "local", faug__redundant_labels=1, **APART).play()
    assert hidden[0]["diagnostics"]["faug_generated"] > 0


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def _of_another(file: Path) -> None:
    tensors, _ = tensor_file.read(file)
    tensor_file.write(file, {**tensors, "labels": tensors["labels"] + 70}, {})


def _of_something_else(file: Path) -> None:
    tensor_file.write(file, {"weights": torch.zeros(3)}, {})


@pytest.mark.parametrize("spoil", [_cut, _of_another, _of_something_else])
def test_a_damaged_generator_is_refused_and_a_lost_one_told(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    augmented(tmp_path, rounds=1).play()
    later = augmented(tmp_path, rounds=2, resume=True)
    file = later.run_folder / RUNS_OWN
    spoil(file)
    with pytest.raises(StoreError, match=rf"{RUNS_OWN}: expected what .* put a copy of the file"):
        later.play()
    assert not any(kind.startswith("query.") for kind in asked(later))
    if spoil is _cut:
        file.unlink()
        lines = augmented(tmp_path, rounds=2, resume=True).play()
        told = f"faug: clients were asked for seeds again: the run's {RUNS_OWN} is not there"
        assert told in lines[1]["notes"]
        assert not any("seeds again" in note for note in lines[0]["notes"])


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
