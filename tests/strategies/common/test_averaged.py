"""The server that averages what clients send."""

from typing import Any

import pytest
import torch
from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.averaged import AverageState, AveragingServer, RowAveragingServer
from strategies.common.inputs import Images
from strategies.common.payload import Payload, Sizes, payload, tensor
from strategies.common.payloads import CountedRows, FeatureRows
from strategies.common.provided import Provided
from strategies.common.round import Phase, Reply
from strategies.common.run_config import default_config, read_run
from strategies.common.settings import Settings
from strategies.common.task import Task
from strategies.common.transport.state import load_tensors, to_tensors

CPU = torch.device("cpu")


@payload("example.pair", version=1)
class Pair(Payload):
    mean: Tensor = tensor("float", "feature")
    scale: Tensor = tensor("float")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        return Sizes({"feature": agreed.feature_dim})


@payload("example.counts", version=1)
class Counts(Payload):
    counts: Tensor = tensor("int64", "class")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        return Sizes({"class": agreed.task.num_classes})


@payload("example.some", version=1)
class Some(Payload):
    rows: Tensor = tensor("float", "present")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        return Sizes(at_most={"present": 3})


@payload("example.counted", version=1)
class Counted(CountedRows):
    pass


@payload("example.rows", version=1)
class Means(FeatureRows):
    pass


class RowServer(RowAveragingServer[Settings, Means, Counted]):
    wire = Phase(up=Counted, down=Means)


def server(phase: Phase) -> AveragingServer[Settings, Any]:
    class Server(AveragingServer[Settings, Any]):
        wire = phase

    run = read_run(default_config())
    provided = Provided(run, Settings(), torch.device("cpu"), {})
    provided.agree(Task(num_classes=3, inputs=Images(1, 8, 8), feature_dim=2))
    return Server(Settings(), provided)


def pair(first: float, second: float, scale: float) -> Pair:
    return Pair(torch.tensor([first, second]), torch.tensor(scale))


def test_every_field_is_averaged_by_samples_and_goes_to_all():
    half = server(Phase(up=Pair, down=Pair))
    state = half.start()
    assert half.broadcast(state) is None
    half.aggregate(state, 1, [Reply(0, 30, pair(1, 0, 2)), Reply(2, 10, pair(5, 4, 6))])
    # (30 * 1 + 10 * 5) / 40 = 2, (30 * 0 + 10 * 4) / 40 = 1, (30 * 2 + 10 * 6) / 40 = 3.
    sent = half.broadcast(state)
    assert isinstance(sent, Pair)
    assert sent.mean.tolist() == [2.0, 1.0]
    assert sent.scale.item() == 3.0


def test_a_silent_round_keeps_the_average():
    half = server(Phase(up=Pair, down=Pair))
    state = half.start()
    half.aggregate(state, 1, [Reply(0, 30, pair(1, 0, 2))])
    half.aggregate(state, 2, [])
    assert half.broadcast(state).mean.tolist() == [1.0, 0.0]


def test_the_average_survives_a_checkpoint():
    half = server(Phase(up=Pair, down=Pair))
    state, resumed = half.start(), AverageState()
    half.aggregate(state, 1, [Reply(0, 30, pair(1, 0, 2))])
    load_tensors(resumed, to_tensors(state))
    assert half.broadcast(resumed).mean.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("phase", "told"),
    [
        (Phase(), "one payload in both directions"),
        (Phase(up=Pair, down=Some), "one payload in both directions"),
        (Phase(up=Counts, down=Counts), r"Counts\.counts: expected floats"),
        (Phase(up=Some, down=Some), r"Some\.rows: .*axes of exact length"),
    ],
)
def test_what_has_no_mean_is_refused(phase: Phase, told: str):
    with pytest.raises(TypeError, match=told):
        server(phase).start()


def counted(row: list[float], label: int, count: int | None) -> Counted:
    counts = None if count is None else torch.tensor([count])
    return Counted(torch.tensor([row]), torch.tensor([label]), counts)


@pytest.mark.parametrize(
    ("counts", "mean"),
    [
        # (30 * (1, 0) + 10 * (5, 4)) / 40, and ((1, 0) + (5, 4)) / 2.
        ((30, 10), [2.0, 1.0]),
        ((None, None), [3.0, 2.0]),
    ],
)
def test_rows_are_averaged_over_their_holders_by_counts_or_alike(counts, mean):
    half = RowServer(Settings(), Provided(read_run(default_config()), Settings(), CPU, {}))
    state = half.start()
    assert half.broadcast(state) is None
    sent = [counted([1.0, 0.0], 0, counts[0]), counted([5.0, 4.0], 0, counts[1])]
    half.aggregate(state, 1, [Reply(p, 30, own) for p, own in enumerate(sent)])
    assert half.broadcast(state).rows.tolist() == [mean]
    half.aggregate(state, 2, [Reply(1, 30, counted([7.0, 7.0], 2, counts[1]))])
    assert half.broadcast(state).labels.tolist() == [2]


def test_counts_of_some_alone_are_refused():
    half = RowServer(Settings(), Provided(read_run(default_config()), Settings(), CPU, {}))
    sent = [counted([1.0, 0.0], 0, 3), counted([5.0, 4.0], 0, None)]
    with pytest.raises(ValueError, match="counts from all of 2 clients or from none, got 1"):
        half.aggregate(half.start(), 1, [Reply(p, 30, own) for p, own in enumerate(sent)])
