"""The device's doors, driven by messages as a server sends them; the method is Local."""

from pathlib import Path

import pytest
import torch
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from strategies.common import folder_lock, tensor_file
from strategies.common.confusion import ConfusionCounts
from strategies.common.run_config import default_config
from strategies.common.settings import DEVICES_OWN
from strategies.common.transport.control import Description, Order, Report
from strategies.common.transport.envelope import Parcel, read_control_record, to_record_dict
from tests.loopback import Federation, LoopbackGrid

NODE = 100
SMALL = {
    "method": "local",
    "models": "cnn",
    "data": "digits",
    "partition": "iid",
    "max-samples": 40,
    "feature-dim": 16,
}


@pytest.fixture(autouse=True)
def _identity() -> None:
    """Flower stamps every message with who sends it."""
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1


def grid_of(folder: Path, **overrides: bool | int | float | str) -> LoopbackGrid:
    named = {key.replace("_", "-"): value for key, value in overrides.items()}
    return Federation(folder, 2, {**SMALL, **named}).grid


@pytest.fixture
def grid(tmp_path: Path) -> LoopbackGrid:
    return grid_of(tmp_path)


def order(round_number: int, continue_from: int, run: str = "run-1") -> RecordDict:
    return to_record_dict(
        Order(run=run, round_number=round_number, continue_from=continue_from), None
    )


def ask(grid: LoopbackGrid, kind: str, content: RecordDict, node_id: int = NODE) -> Message:
    ids = grid.push_messages([Message(content, node_id, kind)])
    (reply,) = grid.pull_messages(ids)
    return reply


def reported(reply: Message) -> Report:
    assert not reply.has_error(), reply.error
    assert list(reply.content) == ["report"]
    return read_control_record(reply.content, Report, sender="node")


def described(reply: Message) -> Description:
    assert not reply.has_error(), reply.error
    return read_control_record(reply.content, Description, sender="node")


def failure(reply: Message) -> str:
    assert reply.has_error()
    return str(reply.error.reason)


def states(folder: Path, partition: int = 0, run: str = "run-1") -> list[str]:
    place = folder / "state" / run / str(partition)
    # The file that says who is at work stays, and holds nothing.
    return sorted(file.name for file in place.glob("*") if file.name != folder_lock.NAME)


def test_a_device_describes_itself(grid: LoopbackGrid) -> None:
    told = described(ask(grid, "query", order(0, 0), NODE + 1))
    assert (told.partition, told.num_partitions, told.model) == (1, 2, "cnn")
    assert (told.num_classes, told.inputs, told.sizes) == (10, "images", [1, 8, 8])
    assert told.feature_dim == 16
    # 40 samples, of which a quarter is for testing.
    assert (told.train_samples, told.test_samples) == (30, 10)
    assert (sum(told.train_counts), sum(told.test_counts)) == (30, 10)
    assert len(told.train_counts) == len(told.test_counts) == 10
    assert told.class_names == [str(digit) for digit in range(10)]


def test_a_device_may_keep_its_class_counts_to_itself(tmp_path: Path) -> None:
    told = described(ask(grid_of(tmp_path, share_class_counts=False), "query", order(0, 0)))
    assert (told.train_counts, told.test_counts) == ([], [])
    assert told.train_samples == 30


@pytest.mark.parametrize("kind", ["query", "train", "evaluate"])
def test_names_of_classes_that_a_device_keeps_are_in_no_error(tmp_path: Path, kind: str) -> None:
    for name in ("flu", "17"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "scan.txt").write_text("no image")
    data = f"folder:{tmp_path / 'photos'}"

    def said(**changes: bool) -> str:
        return failure(ask(grid_of(tmp_path, data=data, **changes), kind, order(1, 0)))

    told = said(share_class_names=False)
    assert "in the class folders 'class 0', 'class 1' of photos" in told
    assert "(class 0/scan.txt, class 1/scan.txt)" in told
    assert "in the class folders '17', 'flu' of photos" in said()


def test_class_counts_of_a_test_travel_unless_the_device_keeps_them(tmp_path: Path) -> None:
    told = reported(ask(grid_of(tmp_path / "open"), "train", order(1, 0)))
    counts = ConfusionCounts(
        tuple(told.class_samples), tuple(told.class_hits), tuple(told.class_predictions)
    )
    assert (len(counts.samples), sum(counts.samples), sum(counts.hits)) == (10, 10, told.correct)
    assert told.macro_f1 is None
    closed = grid_of(tmp_path / "closed", share_class_counts=False)
    reply = ask(closed, "train", order(1, 0))
    kept = reported(reply)
    assert (kept.class_samples, kept.class_hits, kept.class_predictions) == ([], [], [])
    assert kept.macro_f1 == counts.macro_f1


def test_models_are_dealt_in_turn_unless_the_node_names_its_own(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, models="cnn,resnet4", feature_dim=0)
    first, second = (described(ask(grid, "query", order(0, 0), NODE + n)) for n in (0, 1))
    assert (first.model, second.model) == ("cnn", "resnet4")
    assert first.feature_dim != second.feature_dim
    grid.node_configs[NODE] = {**grid.node_configs[NODE], "model": "resnet4"}
    own = described(ask(grid, "query", order(0, 0)))
    assert (own.model, own.feature_dim) == ("resnet4", second.feature_dim)


def test_training_saves_the_state_before_it_replies(grid: LoopbackGrid, tmp_path: Path) -> None:
    report = reported(ask(grid, "train", order(1, 0)))
    assert (report.round_number, report.continued_from) == (1, 0)
    assert (report.train_samples, report.test_samples) == (30, 10)
    assert report.notes == []
    assert set(report.losses) == {"total"}
    assert states(tmp_path) == ["round-000001.safetensors"]
    assert reported(ask(grid, "train", order(2, 1))).continued_from == 1
    assert states(tmp_path) == ["round-000001.safetensors", "round-000002.safetensors"]


def test_training_goes_on_from_the_accepted_state(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, learning_rate=0.1)
    first = reported(ask(grid, "train", order(1, 0)))
    second = reported(ask(grid, "train", order(2, 1)))
    assert second.losses["total"] < first.losses["total"]
    # A lost reply: the server asks again from round 1, and the same comes out.
    again = reported(ask(grid, "train", order(2, 1)))
    assert (again.losses, again.loss, again.correct) == (
        second.losses,
        second.loss,
        second.correct,
    )
    # Another round draws another order of batches.
    later = reported(ask(grid, "train", order(3, 1)))
    assert later.losses != second.losses


def test_evaluation_tests_the_stored_state_and_leaves_no_file(
    grid: LoopbackGrid, tmp_path: Path
) -> None:
    trained = reported(ask(grid, "train", order(1, 0)))
    path = tmp_path / "state" / "run-1" / "0" / "round-000001.safetensors"
    blob = path.read_bytes()
    tested = reported(ask(grid, "evaluate", order(2, 1)))
    assert (tested.correct, tested.loss) == (trained.correct, trained.loss)
    assert (tested.round_number, tested.continued_from) == (2, 1)
    assert tested.losses == {}
    assert states(tmp_path) == ["round-000001.safetensors"]
    assert path.read_bytes() == blob


def test_a_client_that_never_trained_can_be_tested(grid: LoopbackGrid, tmp_path: Path) -> None:
    tested = reported(ask(grid, "evaluate", order(3, 0)))
    assert (tested.continued_from, tested.notes) == (0, [])
    assert states(tmp_path) == []


def test_a_damaged_state_is_reported_and_passed_over(grid: LoopbackGrid, tmp_path: Path) -> None:
    ask(grid, "train", order(1, 0))
    ask(grid, "train", order(2, 1))
    (tmp_path / "state" / "run-1" / "0" / "round-000002.safetensors").write_bytes(b"cut")
    report = reported(ask(grid, "train", order(3, 2)))
    assert report.continued_from == 1
    assert len(report.notes) == 2
    assert "round-000002" in report.notes[0]


def test_runs_and_clients_do_not_share_states(grid: LoopbackGrid, tmp_path: Path) -> None:
    ask(grid, "train", order(1, 0))
    ask(grid, "train", order(1, 0), NODE + 1)
    ask(grid, "train", order(1, 0, run="run-2"))
    assert states(tmp_path, 0) == states(tmp_path, 1) == states(tmp_path, 0, "run-2")
    assert reported(ask(grid, "train", order(2, 1, run="run-3"))).continued_from == 0


def test_the_same_message_gives_the_same_state_whatever_the_process_did_before(
    tmp_path: Path,
) -> None:
    found = []
    for number in (1, 2):
        torch.manual_seed(number)
        torch.rand(number)
        folder = tmp_path / str(number)
        ask(grid_of(folder), "train", order(1, 0))
        path = folder / "state" / "run-1" / "0" / "round-000001.safetensors"
        found.append(tensor_file.read(path)[0])
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_the_process_is_left_as_it_was(grid: LoopbackGrid) -> None:
    before = (torch.get_rng_state(), torch.get_num_threads())
    ask(grid, "train", order(1, 0))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]


def test_a_ping_is_answered_without_a_look_at_settings_or_data(tmp_path: Path) -> None:
    reply = ask(grid_of(tmp_path, method="fedmagic"), "query.ping", RecordDict())
    assert not reply.has_error()
    assert list(reply.content) == []
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("kind", ["query", "train", "evaluate"])
def test_a_bad_setting_reaches_the_server_as_this_nodes_failure(tmp_path: Path, kind: str) -> None:
    grid = grid_of(tmp_path, models="cnn,perceptron")
    reason = failure(ask(grid, kind, order(1, 0)))
    assert "SettingsError" in reason
    assert "unknown 'perceptron'" in reason


def test_an_unknown_method_is_refused_when_the_device_is_asked_who_it_is(tmp_path: Path) -> None:
    assert "unknown 'fedmagic'" in failure(
        ask(grid_of(tmp_path, method="fedmagic"), "query", order(0, 0))
    )


def test_a_bad_node_config_is_this_nodes_failure(grid: LoopbackGrid) -> None:
    grid.node_configs[NODE] = {"partition-id": 2, "num-partitions": 2}
    reason = failure(ask(grid, "query", order(0, 0)))
    assert "node config partition-id: expected 0 to 1, got 2" in reason


def test_training_that_diverges_is_a_failure_and_saves_nothing(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, learning_rate=1e12)
    reason = failure(ask(grid, "train", order(1, 0)))
    assert "ModelError" in reason
    assert "lower the learning rate" in reason
    assert states(tmp_path) == []


def test_what_the_server_was_given_counts_before_the_run_config(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, feature_dim=16)
    # An app of one's own need not declare settings.
    grid.config = {key: grid.config[key] for key in ("state-dir", "device", "feature-dim")}
    given = {**SMALL, "method": "local", "models": "resnet4", "feature-dim": 8}
    told = Order(run="run-1", round_number=0, continue_from=0, given=given)
    found = described(ask(grid, "query", to_record_dict(told, None)))
    assert (found.model, found.feature_dim) == ("resnet4", 8)
    assert found.train_samples + found.test_samples <= 40


@pytest.mark.parametrize("kind", ["query", "train", "evaluate"])
@pytest.mark.parametrize("key", sorted(DEVICES_OWN))
def test_what_the_owner_of_a_device_decides_is_not_the_servers(
    grid: LoopbackGrid, kind: str, key: str
) -> None:
    given = {"feature-dim": 16, key: default_config()[key]}
    told = Order(run="run-1", round_number=1, continue_from=0, given=given)
    reason = failure(ask(grid, kind, to_record_dict(told, None)))
    assert f"order: expected settings of the run, got {key} of this device" in reason


@pytest.mark.parametrize("kind", ["query", "train", "evaluate"])
def test_a_message_without_an_order_is_refused(grid: LoopbackGrid, kind: str) -> None:
    reason = failure(ask(grid, kind, RecordDict({"config": ConfigRecord({"x": 1})})))
    assert "WireError" in reason
    assert "server: expected a record order, got config" in reason


def test_an_order_cannot_lead_out_of_the_state_folder(grid: LoopbackGrid, tmp_path: Path) -> None:
    values = {"run": "../escaped", "round_number": 1, "continue_from": 0}
    reason = failure(ask(grid, "train", RecordDict({"order": ConfigRecord(values)})))
    assert "order.run" in reason
    assert not (tmp_path / "escaped").exists()
    assert not (tmp_path / "state" / "escaped").exists()


def test_a_payload_that_the_method_does_not_know_is_refused(
    grid: LoopbackGrid, tmp_path: Path
) -> None:
    told = Order(run="run-1", round_number=1, continue_from=0)
    content = to_record_dict(told, Parcel("fedktl.pairs", b"anything"))
    assert "expected no payload, got fedktl.pairs" in failure(ask(grid, "train", content))
    assert states(tmp_path) == []


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("x")
    grid = grid_of(tmp_path, state_dir=str(tmp_path / "a-file" / "state"))
    reason = failure(ask(grid, "train", order(1, 0)))
    assert "StoreError" in reason
    assert "state/run-1/0: cannot be written" in reason
    assert str(tmp_path) not in reason


@pytest.mark.parametrize("kind", ["query.seeds", "query.generate"])
def test_a_client_without_a_model_of_its_own_is_not_augmented(tmp_path: Path, kind: str) -> None:
    grid = grid_of(tmp_path, method="mocosfl")
    told = failure(ask(grid, kind, order(0, 0)))
    assert "expected no augmentation of mocosfl" in told
