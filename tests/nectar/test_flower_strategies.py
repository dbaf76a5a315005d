"""Methods as Flower's strategies: by our loop and by Flower's, what is learnt is the same."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from federations.split_federation import TINY
from federations.tiny_federations import STAND_INS
from flwr.app import ArrayRecord, ConfigRecord, Error, Message
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Result, Strategy
from loopback import Federation, LoopbackGrid, pass_on, without_clocks

import nectar
from local_federation.engine.answering import identify
from nectar import NectarError, flower
from nectar.flower import MethodStrategy, simulate
from strategies import methods
from strategies.common.errors import FederationError, SettingsError
from tests.answering import standing_in
from tests.nectar.small_plays import CLIENTS, SMALL, prepared_in

# On the worker that has imported what adapters and their pictures need.
pytestmark = pytest.mark.xdist_group("plays of feddat")

OWNERS = ("device", "state-dir")
NO_ARRAYS = ArrayRecord()


def own(method: str, folder: Path, **settings: Any) -> MethodStrategy:
    """Return a strategy that writes into a folder."""
    kind = getattr(flower, methods.METHODS[method])
    asked = {**SMALL, "min-nodes": CLIENTS, "runs-dir": str(folder / "runs"), "run-name": "test"}
    made: MethodStrategy = kind(asked, **settings)
    return made


def nodes_of(folder: Path) -> LoopbackGrid:
    """Return nodes that know what their owners decide, and no setting of the run."""
    (prepared_in(folder) / ".nectar" / "state").rename(folder / "state")
    grid = Federation(folder, CLIENTS, {}).grid
    grid.config = {key: grid.config[key] for key in OWNERS}
    identify()
    return grid


def start_by_flower(strategy: Strategy, grid: LoopbackGrid, rounds: int) -> Result:
    """Let Flower's own loop play rounds."""

    def send_and_receive(
        messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        return grid.pull_messages(grid.push_messages(messages))

    grid.send_and_receive = send_and_receive  # type: ignore[method-assign]
    return Strategy.start(strategy, grid, NO_ARRAYS, num_rounds=rounds)


def learnt(line: Any) -> Any:
    """Return a line of a journal without clocks, and without orders, which tell settings here."""
    line = without_clocks(line)
    for node in line["nodes"].values():
        node["downlink_bytes"] -= node["payload_bytes"].pop("down/order")
    return line


def by_both(
    method: str, folder: Path, rounds: int = 2, **settings: Any
) -> tuple[Result, Result, list[Any]]:
    """Play a method by our loop and by Flower's, and return results and our journal."""
    ours, flowers = folder / "ours", folder / "flowers"
    for place in (ours, flowers):
        place.mkdir()
    settings["rounds"] = rounds
    result = own(method, ours, **settings).start(nodes_of(ours))
    journal = (ours / "runs" / "test" / "rounds.jsonl").read_text()
    lines = [json.loads(text) for text in journal.splitlines()]
    other = start_by_flower(own(method, flowers, **settings), nodes_of(flowers), rounds)
    assert not (flowers / "runs").exists()
    return result, other, lines


def require_same_but_for_bytes_of_tests(ours: Result, flowers: Result) -> None:
    """By our loop a round's bytes include those of the test that follows aggregation."""
    for number, told in ours.train_metrics_clientapp.items():
        other = flowers.train_metrics_clientapp[number]
        for moved in ("uplink_bytes", "downlink_bytes"):
            assert told.pop(moved) > other.pop(moved) > 0
    assert ours == flowers


@pytest.mark.federation
def test_both_loops_and_loopback_have_the_same_digits(tmp_path: Path, prepared_once: None) -> None:
    ours, flowers, lines = by_both("fedproto", tmp_path, fedproto__proto_weight=2.0)
    require_same_but_for_bytes_of_tests(ours, flowers)
    assert not ours.arrays
    assert sorted(ours.train_metrics_clientapp) == [1, 2]
    usual = tmp_path / "usual"
    (prepared_in(usual) / ".nectar" / "state").rename(usual / "state")
    played = Federation(usual, CLIENTS, {**SMALL, "fedproto.proto-weight": 2.0}).play()
    assert [learnt(line) for line in lines] == [learnt(line) for line in played]
    last, told = played[-1], ours.evaluate_metrics_clientapp[2]
    assert [told[name] for name in ("accuracy", "accuracy_std", "loss")] == [
        last[name] for name in ("accuracy", "accuracy_std", "loss")
    ]
    trained = ours.train_metrics_clientapp[2]
    assert (trained["clients"], trained["failed"]) == (CLIENTS, 0)
    assert trained["closest_prototypes"] == last["diagnostics"]["closest_prototypes"]
    pulls = [(n["losses"]["prototype"], n["train_samples"]) for n in last["nodes"].values()]
    samples = sum(count for _, count in pulls)
    assert trained["train_samples"] == samples
    mean = sum(pull * count for pull, count in pulls) / samples
    assert trained["loss prototype"] == pytest.approx(mean)


@pytest.mark.federation
def test_who_does_not_train_is_tested_by_both(tmp_path: Path, prepared_once: None) -> None:
    # What FD sends is another thing for each client.
    ours, flowers, lines = by_both("fd", tmp_path, participation=0.7, evaluate_every=2)
    assert ours == flowers
    took_part = [[node["took_part"] for node in line["nodes"].values()] for line in lines]
    assert [sorted(round_) for round_ in took_part] == [[True, True], [False, True, True]]
    samples = [told["test_samples"] for told in ours.evaluate_metrics_clientapp.values()]
    assert samples[1] > samples[0]


@pytest.mark.federation
def test_adapters_are_tested_after_aggregation_by_both(tmp_path: Path, prepared_once: None) -> None:
    settings = {
        "data": "digitgrid:function",
        "evaluate_every": 1,
        "max_samples": 20,
        "adapters": {"backbone": "folder:tiny", "rank": 2},
    }
    with standing_in(STAND_INS):
        ours, flowers, _ = by_both("fedadapter", tmp_path, **settings)
    assert ours.evaluate_metrics_clientapp == flowers.evaluate_metrics_clientapp
    assert sorted(ours.evaluate_metrics_clientapp) == [1, 2]
    require_same_but_for_bytes_of_tests(ours, flowers)


@pytest.mark.federation
def test_what_comes_before_the_first_round_comes_in_both(
    tmp_path: Path, prepared_once: None
) -> None:
    settings = {
        "augmentation": "faug",
        "partition": "dirichlet",
        "dirichlet_alpha": 0.5,
        "faug": {"hidden_dim": 8, "steps": 5, "oversampled": 8},
    }
    ours, flowers, lines = by_both("fd", tmp_path, **settings)
    assert ours == flowers
    told = flowers.train_metrics_clientapp
    assert told[1]["faug_generated"] == lines[0]["diagnostics"]["faug_generated"] > 0
    assert told[1]["uplink_bytes"] > told[2]["uplink_bytes"]


def node_101_fails(node_id: int, reply: Message) -> Message | None:
    if node_id == 101 and reply.metadata.group_id == "1":
        # Flower reports it in its own name.
        failed = Message(Error(5), reply_to=reply)
        failed.metadata.__dict__["_src_node_id"] = 1
        asked = reply.metadata.reply_to_message_id
        failed.metadata.__dict__["_reply_to_message_id"] = asked
        return failed
    return pass_on(node_id, reply)


@pytest.mark.federation
def test_a_node_that_fails_is_named_and_the_round_goes_on(
    tmp_path: Path, prepared_once: None, caplog: pytest.LogCaptureFixture
) -> None:
    strategy, grid = own("local", tmp_path, rounds=2), nodes_of(tmp_path)
    grid.tamper = node_101_fails
    flowers = start_by_flower(strategy, grid, 2)
    named = "round 1: failed: client 1 (resnet4): the node is gone"
    assert named in caplog.text
    caplog.clear()
    ours = tmp_path / "ours"
    ours.mkdir()
    grid = nodes_of(ours)
    grid.tamper = node_101_fails
    assert own("local", ours, rounds=2).start(grid) == flowers
    assert named in caplog.text
    counts = [(m["clients"], m["failed"]) for m in flowers.train_metrics_clientapp.values()]
    assert counts == [(2, 1), (3, 0)]


@pytest.mark.federation
def test_silence_and_nonsense_are_failures_and_too_few_replies_make_no_round(
    tmp_path: Path, prepared_once: None, caplog: pytest.LogCaptureFixture
) -> None:
    def tamper(node_id: int, reply: Message) -> Message | None:
        if reply.metadata.group_id == "1" and node_id == 100:
            return None
        if reply.metadata.group_id == "1" and node_id == 101:
            reply.content["report"] = ConfigRecord({"round_number": 1})
        return reply

    strategy, grid = own("fedproto", tmp_path, min_replies=2, rounds=2), nodes_of(tmp_path)
    grid.tamper = tamper
    result = start_by_flower(strategy, grid, 2)
    assert "client 0 (cnn): no reply in time" in caplog.text
    assert "client 1 (resnet4): report." in caplog.text
    assert "expected at least min-replies=2 good replies, got 1" in caplog.text
    assert "closest_prototypes" not in result.train_metrics_clientapp[1]
    assert result.train_metrics_clientapp[2]["clients"] == CLIENTS
    # Nothing was aggregated: every client begins anew, and there is no common prototype.
    asked = (m for m in grid.sent if m.metadata.group_id == "2")
    orders = [dict(m.content["order"]) for m in asked if m.metadata.message_type == "train"]
    assert [order["continue_from"] for order in orders] == [0, 0, 0]
    assert all("fedproto.global_prototypes" not in message.content for message in grid.sent)


@pytest.mark.federation
def test_who_lost_the_model_that_a_change_is_of_gets_the_whole_after_a_round_that_does_not_count(
    tmp_path: Path, prepared_once: None
) -> None:
    def lose(node_id: int, reply: Message) -> Message:
        if (node_id, reply.metadata.group_id) == (101, "2"):
            (folder,) = {file.parent for file in tmp_path.rglob("1/round-*.safetensors")}
            for file in folder.glob("round-*"):
                file.unlink()
        return reply

    strategy, grid = own("fedkd", tmp_path, min_replies=CLIENTS, rounds=4), nodes_of(tmp_path)
    grid.tamper = lose
    told = start_by_flower(strategy, grid, 4).train_metrics_clientapp
    assert [(own["clients"], own["failed"]) for own in told.values()] == [
        (3, 0), (3, 0), (2, 1), (3, 0)
    ]  # fmt: skip


@pytest.mark.federation
def test_methods_that_exchange_activations_have_start_alone(
    tmp_path: Path, prepared_once: None
) -> None:
    share = prepared_in(tmp_path) / ".nectar" / "state"
    settings = {key: value for key, value in TINY.items() if key != "rounds"}
    found: list[Result] = []
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Any) -> None:
        strategy = flower.SplitFed(settings, runs_dir=tmp_path / "runs", server_device="cpu")
        with pytest.raises(SettingsError, match=r"splitfed: .* expected start\(...\)"):
            strategy.configure_train(1, NO_ARRAYS, ConfigRecord(), grid)
        found.append(strategy.start(grid, num_rounds=1))

    simulate(app, nodes=2, state_dir=share, device="cpu")
    assert list(found[0].evaluate_metrics_clientapp) == [1]
    assert found[0].train_metrics_clientapp[1]["clients"] == 2
    (run,) = (tmp_path / "runs").iterdir()
    assert len(nectar.read(run).rounds) == 1


def test_every_method_is_found_by_its_name() -> None:
    names = set(methods.METHODS.values())
    assert names < set(dir(flower))
    for method, name in methods.METHODS.items():
        kind = getattr(flower, name)
        assert issubclass(kind, MethodStrategy)
        assert (kind.__name__, kind.__module__, kind.method) == (name, "nectar.flower", method)
        assert kind is getattr(flower, name)
        opened = {"open_data": "digits", "open_samples": 9}
        kind(**(opened if methods.needs_open_data(method) else {}))
    with pytest.raises(AttributeError, match="has no 'FedSGD'; the methods are Local, FedAvg"):
        flower.FedSGD  # noqa: B018


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"fedproto_proto_weight": 1.0}, "did you mean fedproto.proto-weight"),
        ({"proto_weight": 1.0}, "did you mean fedproto.proto-weight?"),
        ({"fedproto__proto_weight": -1.0}, "fedproto.proto-weight"),
        ({"rounds": 0}, "setting rounds"),
        ({"models": "perceptron"}, "unknown 'perceptron'"),
        ({"data": "digit"}, "unknown source"),
        ({"clients_per_node": 2}, "clients-per-node: expected 1 for fedproto"),
        ({"method": "fd"}, "take another class of nectar.flower"),
        ({"device": "cpu"}, "setting device: devices decide it"),
        ({"num_rounds": 3}, r"start\(grid, num_rounds=...\)"),
        ({"clients": 3}, "min_nodes="),
    ],
)
def test_a_wrong_setting_is_refused_when_the_strategy_is_made(
    settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(NectarError, match=told):
        flower.FedProto(**settings)


def test_flowers_own_run_config_is_taken_but_for_what_is_not_the_servers() -> None:
    strategy = flower.FD({"method": "fedktl", "device": "cuda", "rounds": 7}, rounds=3)
    assert strategy._given == {"method": "fd", "rounds": 3}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"train_config": ConfigRecord({"lr": 0.1})}, "train_config: expected none, got lr"),
        ({"evaluate_config": ConfigRecord({"a": 1})}, "evaluate_config: expected none, got a"),
        ({"evaluate_fn": lambda number, arrays: None}, "clients test their own"),
        ({"num_rounds": 0}, "setting rounds"),
        ({"timeout": 0}, "setting round-deadline-s"),
    ],
)
def test_what_means_nothing_to_a_method_is_refused(
    asked: dict[str, Any], told: str, tmp_path: Path
) -> None:
    strategy = own("fedproto", tmp_path)
    with pytest.raises(NectarError, match=told):
        strategy.start(LoopbackGrid({}, {}), NO_ARRAYS, **asked)
    assert not (tmp_path / "runs").exists()


def test_weights_of_a_global_model_are_refused(tmp_path: Path) -> None:
    import numpy as np

    weights, grid = ArrayRecord([np.ones(2)]), LoopbackGrid({}, {})
    strategy = own("fedproto", tmp_path)
    with pytest.raises(SettingsError, match="initial_arrays: expected none"):
        strategy.start(grid, weights)
    for configure in (strategy.configure_train, strategy.configure_evaluate):
        with pytest.raises(SettingsError, match="initial_arrays: expected none"):
            configure(1, weights, ConfigRecord(), grid)


def test_methods_that_are_called_out_of_order_say_so(tmp_path: Path) -> None:
    strategy = own("fedproto", tmp_path, quorum_timeout_s=0.1)
    with pytest.raises(SettingsError, match="expected configure_train before"):
        strategy.aggregate_train(1, [])
    with pytest.raises(FederationError, match="expected min-nodes=3"):
        strategy.configure_train(1, NO_ARRAYS, ConfigRecord(), LoopbackGrid({}, {}))
    with pytest.raises(FederationError, match=r"aggregate_train\(1\): expected the same round"):
        strategy.aggregate_train(1, [])
    with pytest.raises(FederationError, match=r"configure_evaluate\(1\).*got none"):
        strategy.configure_evaluate(1, NO_ARRAYS, ConfigRecord(), LoopbackGrid({}, {}))
