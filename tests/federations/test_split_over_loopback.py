"""Methods that exchange activations, whole: over loopback with TLS, streams and all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from federations.split_federation import EXCHANGING, server_state
from federations.tiny_federations import tiny, unstated
from loopback import Federation, without_clocks
from torch import Tensor

from server_app.run_record import read_run_record
from strategies.common.errors import ExchangeError, FederationError, SettingsError
from strategies.common.split import lockstep

pytestmark = pytest.mark.federation

Played = Callable[..., Federation]


@pytest.mark.parametrize("method", EXCHANGING)
@pytest.mark.quick("splitfed")
def test_a_round_is_one_message_and_evaluation_another(tmp_path: Path, method: str) -> None:
    played = tiny(tmp_path, method, rounds=4, evaluate_every=2)
    lines = played.play()
    kinds = [message.metadata.message_type for message in played.grid.sent]
    exchange, survey = ["train"] * 2, ["evaluate"] * 2
    asked = [*survey, *exchange, *exchange, *survey, *exchange, *exchange, *survey]
    assert kinds == ["query"] * 2 + asked
    assert [line["round"] for line in lines] == [1, 2, 3, 4]
    assert not unstated(method, lines)
    for line in lines:
        evaluated = line["round"] in {2, 4}
        assert (line["accuracy"] is not None) == evaluated
        for node in line["nodes"].values():
            assert (node["accuracy"] is not None) == evaluated
            assert node["tested_by"] == ("server" if evaluated else "device")
            assert node["train_samples"] == 2 * 30
            assert node["test_samples"] == (2 * 10 if evaluated else 0)
            assert node["model"] == "resnet18 cut 1"
            assert node["took_part"] is True
    untrained = {k for line in lines for k in line["diagnostics"] if k.startswith("untrained_")}
    assert untrained == {k for k in lines[0]["diagnostics"] if k.startswith("untrained_")} != set()


@pytest.mark.parametrize("method", EXCHANGING)
@pytest.mark.quick("splitfed")
def test_evaluate_every_0_evaluates_after_the_last_round_alone(played: Played, method: str) -> None:
    lines = played(method, evaluate_every=0).lines()
    assert [line["accuracy"] is not None for line in lines] == [False, True]
    assert not any(name.startswith("untrained_") for name in lines[0]["diagnostics"])


@pytest.mark.thorough
@pytest.mark.parametrize("method", EXCHANGING)
def test_another_seed_gives_another_journal(tmp_path: Path, played: Played, method: str) -> None:
    # That the same seed gives the same one is told in test_guards_of_methods.py.
    other = tiny(tmp_path, method, seed=1).play()
    assert without_clocks(played(method).lines()) != without_clocks(other)


@pytest.mark.parametrize("method", EXCHANGING)
@pytest.mark.quick("mocosfl")
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    tmp_path: Path, played: Played, method: str
) -> None:
    whole = played(method, rounds=3)
    # The schedule of the step size runs over all rounds, so the first part has as many.
    part = tiny(tmp_path / "parts", method, rounds=3)
    stopped_after(part, 2)
    resumed = tiny(tmp_path / "parts", method, rounds=3, resume=True)
    assert without_clocks(resumed.play()) == without_clocks(whole.lines())
    assert_close(server_state(resumed), server_state(whole), exactly=True)


@pytest.mark.parametrize("method", EXCHANGING)
@pytest.mark.quick("splitfed")
def test_it_does_not_matter_which_node_carries_a_client(tmp_path: Path, method: str) -> None:
    one_by_one = {"split__fronts": "sequential"}
    alone = tiny(tmp_path / "alone", method, nodes=4, clients_per_node=1, **one_by_one)
    alone.play()
    together = tiny(tmp_path / "one", method, nodes=1, clients_per_node=4, **one_by_one)
    together.play()
    assert_close(server_state(alone), server_state(together), exactly=True)


@pytest.mark.parametrize("method", EXCHANGING)
@pytest.mark.quick("mocosfl")
def test_cohorts_and_batched_models_change_the_last_digits_alone(
    tmp_path: Path, played: Played, method: str
) -> None:
    plain = tiny(tmp_path / "plain", method, split__cohorts=1, split__fronts="sequential")
    plain.play()
    fast = played(method)
    assert (fast.config["split.cohorts"], fast.config["split.fronts"]) == (2, "batched")
    assert_close(server_state(plain), server_state(fast))


@pytest.mark.parametrize("method", EXCHANGING)
@pytest.mark.quick("splitfed")
def test_half_precision_halves_what_streams(tmp_path: Path, played: Played, method: str) -> None:
    single = played(method).lines()[0]["nodes"]["0"]["payload_bytes"]
    codecs = {"split__codec": "float16", "split__gradient_codec": "float16"}
    half = tiny(tmp_path, method, evaluate_every=0, **codecs)
    told = half.play()[0]["nodes"]["0"]["payload_bytes"]
    whole = played(method, evaluate_every=0).lines()[0]["nodes"]["0"]
    for direction in ("up", "down"):
        ratio = told[f"{direction}/stream"] / whole["payload_bytes"][f"{direction}/stream"]
        assert 0.49 < ratio < 0.55
    # The survey before the first round came on top.
    assert single["up/stream"] > whole["payload_bytes"]["up/stream"]


def test_a_client_that_fails_in_mid_round_is_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = tiny(
        tmp_path, "mocosfl", nodes=3, rounds=1, evaluate_every=0, split__step_deadline_s=0.5
    )
    send = lockstep._Seat.send
    failing = []

    def sometimes(self: Any, *arguments: Any) -> None:
        if not failing and self.step == 2:
            failing.append(self)
            raise RuntimeError("out of memory")
        send(self, *arguments)

    monkeypatch.setattr(lockstep._Seat, "send", sometimes)
    (line,) = played.play()
    failed = [node for node in line["nodes"].values() if "failure" in node]
    assert len(failed) == 1
    assert "out of memory" in failed[0]["failure"]
    assert sum("missed" in note for note in line["notes"]) == 1
    assert 0 < line["diagnostics"]["loss"] < 100


def test_without_a_quorum_a_round_is_tried_once_more_and_then_fails_with_the_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = tiny(
        tmp_path,
        "mocosfl",
        nodes=2,
        evaluate_every=0,
        split__quorum=1.0,
        split__step_deadline_s=0.3,
        split__connect_deadline_s=0.3,
    )

    def never(self: Any, *arguments: Any) -> None:
        raise ExchangeError("no way out")

    monkeypatch.setattr(lockstep._Seat, "send", never)
    with pytest.raises(FederationError) as failure:
        played.play()
    assert "no way out" in str(failure.value)
    kinds = [message.metadata.message_type for message in played.grid.sent]
    assert kinds == ["query"] * 2 + ["train"] * 4


def stopped_after(played: Federation, rounds: int) -> None:
    """Play a run whose server dies when it is about to send the round after."""
    push = played.grid.push_messages

    def dying(messages: Any) -> Any:
        if any(message.metadata.group_id == str(rounds + 1) for message in messages):
            raise KeyboardInterrupt
        return push(messages)

    played.grid.push_messages = dying  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        played.play()


def assert_close(
    one: dict[str, Tensor], other: dict[str, Tensor], *, exactly: bool = False
) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        if exactly:
            assert torch.equal(tensor, other[name]), name
        else:
            # Rounding grows from step to step; it is measured against the tensor's largest value.
            largest = float(tensor.abs().max()) if tensor.numel() else 0.0
            torch.testing.assert_close(tensor, other[name], rtol=0, atol=2e-4 * largest, msg=name)


def test_where_the_stream_is_may_be_said_by_the_servers_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NECTAR_SPLIT_HOST", "0.0.0.0")
    with pytest.raises(SettingsError, match="NECTAR_SPLIT_ADVERTISE: expected the name or addr"):
        # Before any node is waited for.
        tiny(tmp_path / "bad", "splitfed", rounds=1, min_nodes=9).play()
    monkeypatch.setenv("NECTAR_SPLIT_ADVERTISE", "localhost")
    played = tiny(tmp_path, "splitfed", rounds=1)
    (line,) = played.play()
    assert all("failure" not in node for node in line["nodes"].values())
    run = read_run_record(played.run_folder)
    assert run.decisions == {
        "split stream's host": "0.0.0.0 (NECTAR_SPLIT_HOST)",
        "split stream's advertise": "localhost (NECTAR_SPLIT_ADVERTISE)",
    }
    # The run itself said nothing.
    assert run.settings["split.host"] == "127.0.0.1"
