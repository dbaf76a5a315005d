"""A state goes on with the model, the data and the classes that it came from, or says why not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity
from PIL import Image

from client_app.data.looked_at_once import forget_files
from client_app.origin import Origin
from client_app.store import ClientStore
from strategies.common import tensor_file
from strategies.common.errors import DataError, ModelError
from strategies.common.transport.control import Order, Report
from strategies.common.transport.envelope import read_control_record, to_record_dict
from tests.loopback import Federation, LoopbackGrid

WAS = Origin("cnn", "folder:/a", "kept:1", "c", ("cats", "dogs"))


@pytest.mark.parametrize(
    ("now", "error", "told"),
    [
        ({"model": "resnet4"}, ModelError, "model was cnn, is resnet4: .*another run-name"),
        ({"data": "folder:/b", "split": "kept:2"}, DataError, "data was folder:/a, is folder:/b: "),
        ({"data": "digits", "split": "dealt:3"}, DataError, "data was folder:/a, is digits: "),
        ({"data": "digitgrid:domain", "split": ""}, DataError, "is digitgrid:domain"),
        ({"classes": ("cats", "foxes")}, DataError, "classes were cats, dogs, are cats, foxes: "),
        ({"split": "dealt:2"}, DataError, "the files have changed since .* dealt anew"),
    ],
)
def test_what_does_not_go_on_is_named(
    now: dict[str, object], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        WAS.compare(replace(WAS, **now), private=False)  # type: ignore[arg-type]


def test_what_may_change_does() -> None:
    assert WAS.compare(WAS, private=False) == ()
    # Samples that came or went, and a folder that was moved whole.
    assert WAS.compare(replace(WAS, contents="d"), private=False) == ()
    assert WAS.compare(replace(WAS, data="folder:/moved"), private=False) == ()
    # What an older state does not say.
    assert Origin().compare(WAS, private=False) == ()
    (note,) = WAS.compare(replace(WAS, split="kept:2"), private=False)
    assert "is lost, and was dealt anew; it may have learnt from what it is tested on" in note


def test_classes_that_are_a_devices_own_business_are_not_told() -> None:
    with pytest.raises(DataError, match=r"^the list of classes has changed: ") as caught:
        WAS.compare(replace(WAS, classes=("dogs", "cats")), private=True)
    assert "dogs" not in str(caught.value)


def test_it_stands_in_the_state_and_older_states_are_readable(tmp_path: Path) -> None:
    store = ClientStore(tmp_path)
    store.save(1, {}, base=0, method="local", origin=WAS)
    assert store.load(1).origin == store.newest().origin == WAS
    tensor_file.write(tensor_file.of_round(tmp_path, 2), {}, {"round": "2", "method": "local"})
    assert store.newest().origin == Origin()
    assert store.newest().method == "local"


SMALL = {
    "method": "local",
    "models": "cnn",
    "feature-dim": 16,
    "min-train-samples": 2,
    "min-test-samples": 1,
}


class Node:
    """One device with two classes of images of its own, asked through its door."""

    def __init__(self, folder: Path, kind: str = "folder") -> None:
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
        self.own = folder / "own"
        self.save(range(12))
        self.grid: LoopbackGrid = Federation(
            folder, 1, {**SMALL, "data": f"{kind}:{self.own}"}
        ).grid

    def save(self, values: range, place: Path | None = None) -> None:
        for value in values:
            inside = (place or self.own) / ("cats", "dogs")[value % 2]
            inside.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), value, dtype=np.uint8)).save(inside / f"{value}.png")

    def configure(self, **changes: str) -> None:
        self.grid.node_configs[100] = {**self.grid.node_configs[100], **changes}

    def train(self, round_number: int) -> Message:
        content = RecordDict()
        order = Order(run="run-1", round_number=round_number, continue_from=round_number - 1)
        content = to_record_dict(order, None)
        (reply,) = self.grid.pull_messages(
            self.grid.push_messages([Message(content, 100, "train")])
        )
        return reply


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = Node(tmp_path)
    assert not node.train(1).has_error()
    return node


def failure(reply: Message) -> str:
    assert reply.has_error()
    return str(reply.error.reason)


def test_a_node_that_changed_its_model_says_so(node: Node) -> None:
    node.configure(model="resnet4")
    told = failure(node.train(2))
    assert "model was cnn, is resnet4: " in told
    assert "Missing key" not in told
    node.configure(model="cnn")
    assert not node.train(2).has_error()


def test_a_node_that_changed_its_data_says_so(node: Node, tmp_path: Path) -> None:
    node.save(range(100, 112), tmp_path / "others")
    node.configure(data=f"folder:{tmp_path / 'others'}")
    assert "own, is folder:" in failure(node.train(2))
    node.configure(data="")
    (node.own / "birds").mkdir()
    assert "classes were cats, dogs, are birds, cats, dogs: " in failure(node.train(2))
    (node.own / "birds").rmdir()
    assert not node.train(2).has_error()


def test_samples_that_come_in_mid_run_are_told_once(node: Node) -> None:
    node.save(range(50, 52))
    reports = [
        read_control_record(node.train(number).content, Report, sender="node") for number in (2, 3)
    ]
    assert [note[:22] for note in reports[0].notes] == ["folder: 2 new samples,"]
    assert reports[1].notes == []
    assert reports[0].train_samples + reports[0].test_samples == 14


def test_dealt_images_that_change_places_are_noticed_though_sizes_stay(tmp_path: Path) -> None:
    node = Node(tmp_path, "images")
    assert not node.train(1).has_error()
    names = [node.own / "cats" / f"{value}.png" for value in (4, 6, 8, 10)]
    images = [path.read_bytes() for path in names]
    assert len({len(image) for image in images}) == 1

    def put(contents: list[bytes]) -> None:
        forget_files()
        for path, content in zip(names, contents, strict=True):
            path.write_bytes(content)

    put(images[::-1])
    assert "the files have changed since this client was dealt its samples" in failure(
        node.train(2)
    )
    put(images)
    assert not node.train(2).has_error()
