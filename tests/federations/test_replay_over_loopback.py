"""Clients that send activations for some rounds only: what travels, and what a resumed run does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from federations.split_federation import TINY, federation, server_state
from loopback import Federation, without_clocks

from server_app.run_record import read_run_record
from strategies.common.agreed import Need
from strategies.common.inputs import Images
from strategies.common.provided import Provided
from strategies.common.run_config import default_config, read_run, read_table
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.mocosfl.server import MocoSFLServer
from strategies.mocosfl.settings import MocoSFLSettings
from tests.strategies.mocosfl.small_expert import write_expert

pytestmark = pytest.mark.federation

LONGER = {"mocosfl__cache_rounds": 2}


@pytest.fixture(scope="module")
def expert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Store an expert for the tiny federation."""
    config = {**default_config(), **TINY, "server-device": "cpu"}
    settings = read_table(config, "mocosfl", MocoSFLSettings)
    split = read_table(config, "split", SplitSettings)
    task = Task(num_classes=10, inputs=Images(1, 8, 8), feature_dim=0)
    provided = Provided(read_run(config), settings, torch.device("cpu"), {Need.SPLIT: split})
    provided.agree(task)
    state = MocoSFLServer(settings, provided).start()
    path = tmp_path_factory.mktemp("expert") / "front.safetensors"
    write_expert(path, split, task, state, shift=0.01)
    return str(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, expert: str) -> Callable[[int], Federation]:
    """Return an uninterrupted run by how often it is evaluated."""
    return cache(lambda every: play_cached(tmp_path_factory.mktemp("whole"), expert, every))


def play_cached(folder: Path, expert: str, evaluate_every: int) -> Federation:
    run = frozen(folder, expert, **LONGER, evaluate_every=evaluate_every)
    run.play()
    return run


def frozen(folder: Path, expert: str, **overrides: Any) -> Federation:
    tables = {"mocosfl__expert": expert, "mocosfl__cache_rounds": 1}
    return federation(folder, "mocosfl", **{"rounds": 4, **tables, **overrides})


def kinds(played: Federation) -> list[str]:
    return [message.metadata.message_type for message in played.grid.sent]


def streamed(line: dict[str, Any]) -> int:
    return sum(node["payload_bytes"]["up/stream"] for node in line["nodes"].values())


def test_activations_travel_in_the_first_rounds_alone(tmp_path: Path, expert: str) -> None:
    played = frozen(tmp_path, expert, evaluate_every=0)
    played.report = True
    lines = played.play()

    assert kinds(played) == ["query"] * 2 + ["train"] * 2 + ["evaluate"] * 2
    # Two steps of 4 clients: two views of 4 samples of 4 x 8 x 8 float32 each.
    assert streamed(lines[0]) > 2 * 4 * 2 * 4 * 256 * 4
    assert [sorted(line["nodes"]) for line in lines] == [["0", "1"], [], [], ["0", "1"]]
    for line in lines:
        assert 0 < line["diagnostics"]["loss"] < 100
    told = [[note for note in line["notes"] if "cache-rounds" in note] for line in lines]
    assert [len(notes) for notes in told] == [0, 1, 0, 0]
    # The last round's nodes sent samples to evaluate and did not train.
    assert lines[-1]["accuracy"] is not None
    assert not any(node["took_part"] for node in lines[-1]["nodes"].values())
    record = read_run_record(played.run_folder)
    assert [line.uplink_bytes for line in record.rounds[1:3]] == [0, 0]
    assert record.class_names
    assert (played.run_folder / "report.html").is_file()


def test_a_round_that_sends_nothing_waits_for_nobody(tmp_path: Path, expert: str) -> None:
    played = frozen(tmp_path, expert, evaluate_every=0)

    def away(round_number: int) -> None:
        # Nodes leave after the first round, and are back for the evaluation after the last.
        leaving = set(played.grid.node_configs)
        played.grid.offline = leaving if round_number < 3 else set()

    with before_each_round_ends(away):
        lines = played.play()
    assert [len(line["nodes"]) for line in lines] == [2, 0, 0, 2]


# After round 2 the server goes on without any message, or with those of an evaluation.
@pytest.mark.parametrize(("last", "evaluate_every"), [(1, 3), (2, 0), (2, 3)])
@pytest.mark.quick("2-3")
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    tmp_path: Path,
    expert: str,
    whole: Callable[[int], Federation],
    last: int,
    evaluate_every: int,
) -> None:
    settings = {**LONGER, "evaluate_every": evaluate_every}
    with power_cut(after=last):
        frozen(tmp_path / "parts", expert, **settings).play()
    resumed = frozen(tmp_path / "parts", expert, resume=True, **settings)
    uninterrupted = whole(evaluate_every)
    assert without_clocks(resumed.play()) == without_clocks(uninterrupted.lines())
    one, other = server_state(uninterrupted), server_state(resumed)
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


@contextmanager
def power_cut(after: int) -> Iterator[None]:
    """Let the server die before the round after some round is aggregated."""

    def dying(round_number: int) -> None:
        if round_number > after:
            raise KeyboardInterrupt

    with before_each_round_ends(dying), pytest.raises(KeyboardInterrupt):
        yield


@contextmanager
def before_each_round_ends(act: Callable[[int], None]) -> Iterator[None]:
    """Do something before the server learns or synchronises, in rounds with and without clients."""
    aggregate, replay = MocoSFLServer.aggregate, MocoSFLServer.replay

    def aggregated(self: MocoSFLServer, state: Any, current: Any, replies: Any) -> Any:
        act(current.number)
        return aggregate(self, state, current, replies)

    def replayed(self: MocoSFLServer, state: Any, round_number: int) -> Any:
        act(round_number)
        return replay(self, state, round_number)

    with (
        patch.object(MocoSFLServer, "aggregate", aggregated),
        patch.object(MocoSFLServer, "replay", replayed),
    ):
        yield
