"""Methods of one message a round, whole: over the loopback grid, and what crosses."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from federations.split_federation import OTHERS
from federations.tiny_federations import tiny, unstated
from loopback import Federation, without_clocks

from strategies.common.transport.control import Order, Report
from strategies.common.transport.envelope import read_blob
from strategies.methods import client_class
from tests.strategies import halves

pytestmark = pytest.mark.federation

Played = Callable[..., Federation]


def schemas(method: str) -> tuple[str | None, str | None]:
    """Return the names of a method's uplink and downlink payloads."""
    wire = client_class(method).wire
    return wire.up.schema if wire.up else None, wire.down.schema if wire.down else None


@pytest.mark.parametrize("method", OTHERS)
def test_a_round_is_one_message_per_node_and_test_and_a_full_line(
    played: Played, method: str
) -> None:
    run = played(method)
    lines = run.lines()

    assert [line["round"] for line in lines] == [1, 2]
    kinds = [message.metadata.message_type for message in run.grid.sent]
    later = halves.client(method).testing().is_later
    after = ("fedavg", "feddf", "fedgen", "fedproto", "fedtgp", "fedgh", "lgfedavg", "fedmrl")
    assert later == (method in after)
    assert kinds == ["query"] * 3 + (["train"] * 3 + ["evaluate"] * 3 * later) * 2
    assert not unstated(method, lines)
    for line in lines:
        assert line["method"] == method
        assert set(line["nodes"]) == {"0", "1", "2"}
        assert {"wait", "replies", "aggregate", "save", "total"} <= set(line["seconds"])
        for node in line["nodes"].values():
            assert 0 <= node["accuracy"] <= 1
            assert node["train_samples"] + node["test_samples"] == 80
            assert node["model"] in {"cnn", "resnet4"}
            assert node["seconds"]["total"] > 0
        nodes = line["nodes"].values()
        correct = sum(node["accuracy"] * node["test_samples"] for node in nodes)
        tested = sum(node["test_samples"] for node in nodes)
        assert line["accuracy"] == pytest.approx(correct / tested)


@pytest.mark.parametrize("method", OTHERS)
def test_the_journal_counts_the_bytes_that_were_sent(played: Played, method: str) -> None:
    run = played(method)
    last = run.lines()[-1]
    up, down = schemas(method)
    replies = {reply.metadata.reply_to_message_id: reply for reply in run.grid.arrived}
    expected: Counter[tuple[str, str]] = Counter()
    for sent in (m for m in run.grid.sent if m.metadata.group_id == "2"):
        reply, node = replies[sent.metadata.message_id], str(sent.metadata.dst_node_id - 100)
        uploaded = up if sent.metadata.message_type == "train" else None
        for content, control, schema, way in (
            (sent.content, Order, down, "downlink_bytes"),
            (reply.content, Report, uploaded, "uplink_bytes"),
        ):
            expected[node, way] += len(content[control.__name__.lower()].deflate())
            if schema is not None:
                expected[node, way] += len(read_blob(content, schema, "test"))
            assert set(content) == {control.__name__.lower(), schema} - {None}
    assert len(expected) == 6
    assert {key: last["nodes"][key[0]][key[1]] for key in expected} == expected


def test_fedktl_bytes_stay_within_their_bounds(tmp_path: Path) -> None:
    # C = 10 classes, latents of 64 numbers, images of 3 x 32 x 32 pixels.
    images = tmp_path / "images"
    _colour_images(images)
    run = tiny(
        tmp_path, "fedktl", data=f"folder:{images}", image_size=32, max_samples=0, models="cnn"
    )
    last = run.play()[-1]
    for node in last["nodes"].values():
        own_classes = 10
        assert node["uplink_bytes"] <= 4 * own_classes * 10 + 1024
        assert node["downlink_bytes"] > 10 * (4 * 64 + 3 * 32 * 32)
        assert node["downlink_bytes"] <= 10 * (4 * 64 + 3 * 32 * 32) + 2048


def _colour_images(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for label in range(10):
        (folder / f"class-{label}").mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"class-{label}" / f"{number}.png")


@pytest.mark.quick("fedproto")
@pytest.mark.parametrize("method", OTHERS)
def test_another_seed_gives_another_journal(tmp_path: Path, played: Played, method: str) -> None:
    # That the same seed gives the same one is told in test_guards_of_methods.py.
    other = tiny(tmp_path, method, seed=1).play()
    assert without_clocks(played(method).lines()) != without_clocks(other)


@pytest.mark.quick("fedktl", "fedproto")
@pytest.mark.parametrize("method", OTHERS)
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    tmp_path: Path, played: Played, method: str
) -> None:
    whole = played(method, rounds=3).lines()
    shutil.copytree(played(method).folder, tmp_path / "parts")
    resumed = tiny(tmp_path / "parts", method, rounds=3, resume=True).play()
    assert without_clocks(resumed) == without_clocks(whole)


@pytest.mark.parametrize("method", OTHERS)
def test_half_precision_halves_the_floats_on_the_wire(
    tmp_path: Path, played: Played, method: str
) -> None:
    single = played(method).lines()[-1]["nodes"]["0"]
    half = tiny(tmp_path, method, wire_dtype="float16").play()[-1]["nodes"]["0"]
    if method == "local":
        assert half["uplink_bytes"] == single["uplink_bytes"]
    else:
        assert half["uplink_bytes"] < single["uplink_bytes"]


def test_a_single_client_can_learn_from_the_generator(tmp_path: Path) -> None:
    last = tiny(tmp_path, "fedktl", nodes=1, rounds=3).play()[-1]
    assert "transfer" in last["nodes"]["0"]["losses"]
    assert last["nodes"]["0"]["downlink_bytes"] > 0


def test_fedktl_clients_learn(tmp_path: Path) -> None:
    settings = {"learning_rate": 0.02, "local_epochs": 3, "max_samples": 200, "rounds": 3}
    learning = {"partition": "iid", "models": "cnn", "fedktl__server_epochs": 10}
    lines = tiny(tmp_path, "fedktl", nodes=2, **settings, **learning).play()
    # Ten classes and 100 samples: guessing gives 0.1, with a deviation of 0.03.
    assert lines[-1]["accuracy"] > 0.25
    assert (
        lines[-1]["nodes"]["0"]["losses"]["arcface"] < lines[0]["nodes"]["0"]["losses"]["arcface"]
    )
