"""Check 24 of federated distillation: a server's model that learns of open samples alone."""

from pathlib import Path
from typing import Any

import pytest
import torch
from federations.tiny_federations import tiny
from torch import Tensor

from models import catalogue
from strategies.common.errors import ModelError, SettingsError, WireError
from strategies.common.inputs import Images
from strategies.common.open_data import OpenData, drawn
from strategies.common.open_server_model import SCORE, received
from strategies.common.payloads import numbers_of
from strategies.common.round import Reply
from strategies.common.samples import prepare
from strategies.common.task import Task
from strategies.dsfl.server import DSFLServer
from strategies.dsfl.wire import Consensus, Predictions
from tests.loopback import Federation
from tests.strategies import halves

INPUTS = torch.randint(0, 256, (24, 1, 8, 8), generator=torch.Generator().manual_seed(0))
OPEN = OpenData.of(INPUTS.to(torch.uint8))
TASK = Task(3, Images(1, 8, 8), 16, open_set=OPEN.told)
ASKED = 12


def server(every: int = 3, wire_dtype: str = "float32", **own: float | str) -> DSFLServer:
    run = halves.run_of(
        "dsfl",
        open_data="digits",
        rounds=4,
        evaluate_every=every,
        feature_dim=16,
        wire_dtype=wire_dtype,
    )
    half: DSFLServer = halves.server(
        "dsfl",
        TASK,
        run,
        open_data=lambda: OPEN,
        samples_per_round=ASKED,
        **{"server_model": "cnn", "distill_batch_size": 4, "aggregation": "mean", **own},
    )
    return half


def said(seed: int) -> Predictions:
    order = torch.Generator().manual_seed(seed)
    rows = (3 * torch.randn(ASKED, 3, generator=order)).softmax(1)
    return Predictions(rows, None, None)


def played(*samples: int, **own: float | str) -> tuple[DSFLServer, Any]:
    """Let clients with so many samples say the same in two rounds."""
    half = server(**own)
    state = half.start()
    for number in (1, 2):
        replies = [Reply(c, n, said(10 * number + c)) for c, n in enumerate(samples)]
        half.aggregate(state, number, replies)
    return half, state


def weights(state: Any) -> Tensor:
    return numbers_of(state.model)[0]


def test_it_learns_what_all_said_and_nothing_else() -> None:
    half, state = played(10, 10, distill_epochs=40, distill_learning_rate=0.3)
    asked = OPEN.inputs[drawn(OPEN.told, ASKED, half.provided.run.seed, 2)]
    state.model.eval()
    with torch.inference_mode():
        learnt = state.model(prepare(asked)).softmax(1)
    before = half.start().model.eval()
    with torch.inference_mode():
        began = before(prepare(asked)).softmax(1)
    apart = (learnt - state.rows).abs().sum(1).mean()
    assert float(apart) < 0.5 * float((began - state.rows).abs().sum(1).mean())
    # Private samples change nothing but through what is said of open ones.
    _, other = played(500, 3, distill_epochs=40, distill_learning_rate=0.3)
    assert torch.equal(weights(state), weights(other))


def test_moments_go_on_from_round_to_round() -> None:
    _, state = played(10, distill_optimiser="adam", distill_epochs=1)
    steps = {int(value) for name, value in state.moments.items() if name.endswith("/step")}
    assert steps == {2 * ASKED // 4}


def test_it_travels_in_rounds_that_test_it() -> None:
    # Rounds 2, 3 and 4 of four, of which every third and the last are tested; or the last alone.
    assert lengths_of(server()) == [0, True, True]
    assert lengths_of(server(every=0)) == [0, 0, True]
    assert server(server_model="").start().model is None


def test_after_an_undone_round_it_travels_whichever_round_is_next() -> None:
    half = server()
    state = half.start()
    half.aggregate(state, 1, [Reply(0, 10, said(1))])
    assert len(half.broadcast(state).parameters) == 0
    # Round 2 is undone: round 3 comes next, and tests it.
    half.gone_back(state)
    assert len(half.broadcast(state).parameters) == len(weights(state))
    # One that is taken in is as usual: of four rounds the second is not tested.
    half.aggregate(state, 1, [Reply(0, 10, said(1))])
    assert len(half.broadcast(state).parameters) == 0


@pytest.mark.parametrize("wire_dtype", ["float32", "float16"])
def test_one_that_no_message_could_carry_is_refused_before_it_is_kept(wire_dtype: str) -> None:
    """Though the next round does not test it."""
    half = server(wire_dtype=wire_dtype)
    state = half.start()
    with torch.no_grad():
        next(iter(state.model.parameters())).fill_(1e5)
    if wire_dtype == "float32":
        half.aggregate(state, 1, [Reply(0, 10, said(1))])
        return
    told = "dsfl: server-model: expected finite float16 values to send"
    with pytest.raises(ModelError, match=told):
        half.aggregate(state, 1, [Reply(0, 10, said(1))])


def lengths_of(half: DSFLServer) -> list[bool | int]:
    """Return whether all of the model comes down after each of three rounds, or how much."""
    state = half.start()
    assert half.broadcast(state) is None
    lengths = []
    for number in (1, 2, 3):
        half.aggregate(state, number, [Reply(0, 10, said(number))])
        lengths.append(len(half.broadcast(state).parameters))
    whole = len(weights(state))
    return [length == whole or length for length in lengths]


def test_another_architecture_is_refused() -> None:
    small, large = (catalogue.build(name, TASK, 16, 0) for name in ("cnn", "resnet4"))
    parameters, statistics = numbers_of(large)
    told = Consensus(torch.zeros(1, 3), torch.tensor([1]), parameters, statistics)
    with pytest.raises(WireError, match=r"dsfl\.consensus: expected a model of \d+ parameters"):
        received(told, small)
    nothing = Consensus(torch.zeros(1, 3), torch.tensor([1]), parameters[:0], statistics[:0])
    assert received(nothing, small) is None


def test_an_unknown_name_is_refused_before_anyone_is_asked(tmp_path: Path) -> None:
    federation = tiny(tmp_path, "dsfl", dsfl__server_model="cnnn")
    with pytest.raises(SettingsError, match=r"setting dsfl\.server-model: expected one of the run"):
        federation.play()
    assert not federation.grid.sent


@pytest.mark.federation
@pytest.mark.parametrize("method", ["dsfl", "fedmd"])
def test_newcomers_with_it_score_what_the_run_says(tmp_path: Path, method: str) -> None:
    named = {f"{method}__server_model": "cnn", "evaluate_every": 1}
    federation = tiny(tmp_path, method, **named, rounds=3)
    lines = federation.play()
    assert SCORE not in lines[0]["nodes"]["0"]["scores"]
    told = [lines[-1]["nodes"][str(client)]["scores"][SCORE] for client in range(3)]
    assert lines[-1]["scores"][SCORE] == pytest.approx(sum(told) / 3, abs=0.2)
    assert "server_distillation" in lines[-1]["diagnostics"]
    again = Federation(tmp_path, 3, {**federation.overrides, "resume": True, "rounds": 4}).play()
    whole = tiny(tmp_path / "whole", method, **named, rounds=4).play()
    assert again[-1]["nodes"]["0"]["scores"] == whole[-1]["nodes"]["0"]["scores"]
    assert again[-1]["diagnostics"] == whole[-1]["diagnostics"]


def test_both_sides_know_how_long_the_model_is_before_it_arrives() -> None:
    run = halves.run_of("dsfl", open_data="digits", feature_dim=16)
    agreed = halves.agreed("dsfl", TASK, run, server_model="cnn")
    own = agreed.beside
    assert own.name == "cnn"
    sizes = Consensus.sizes(agreed)
    assert sizes.at_most == {"parameters": own.parameters, "statistics": own.statistics}
    without = Consensus.sizes(halves.agreed("dsfl", TASK, run))
    assert without.absent == {"parameters", "statistics"}
