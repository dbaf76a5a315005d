"""Optimisers and schedules of clients with models of their own, over whole runs and a power cut."""

from pathlib import Path
from typing import Any

import pytest
import torch
from federations.split_federation import OTHERS
from federations.tiny_federations import tiny
from flwr.app import Message
from loopback import Federation, without_clocks
from torch import Tensor

from strategies.common import tensor_file

pytestmark = pytest.mark.federation

SMALL = {"max_samples": 40, "models": "cnn", "learning_rate": 0.005, "rounds": 4, "nodes": 2}
CHOICES: dict[str, dict[str, Any]] = {
    "adamw, momentum and cosine": {"optimiser": "adamw", "momentum": 0.9, "schedule": "cosine"},
    "adamw, decay and step": {"optimiser": "adamw", "weight_decay": 0.01, "schedule": "step"},
    "sgd, momentum, decay and step": {
        "momentum": 0.9,
        "weight_decay": 0.01,
        "schedule": "step",
    },
    "sgd and cosine": {"schedule": "cosine"},
}
# The most that survives a round, by every method; what is common to all, by one.
MOST, *LESS = CHOICES
PLAYED = [*((method, MOST) for method in OTHERS), *(("local", choice) for choice in LESS)]


class PowerCutError(Exception):
    """The server dies when a reply arrives."""


def cut_in_round_3(node: int, reply: Message) -> Message:
    if reply.metadata.message_type == "train" and reply.metadata.group_id == "3":
        raise PowerCutError
    return reply


def kept(run: Federation, client: int) -> dict[str, Tensor]:
    """Return the state that a client keeps after the last round."""
    folder = run.folder / "state" / "test" / str(client)
    return tensor_file.read(tensor_file.of_round(folder, tensor_file.rounds_in(folder)[-1]))[0]


@pytest.mark.parametrize(("method", "choice"), PLAYED)
@pytest.mark.quick("fd-adamw, momentum and cosine")
def test_a_run_that_was_cut_off_ends_to_the_last_digit_as_a_whole_one(
    tmp_path: Path, method: str, choice: str
) -> None:
    chosen = {**SMALL, **CHOICES[choice]}
    whole = tiny(tmp_path / "whole", method, **chosen)
    lines = without_clocks(whole.play())
    assert len(lines) == 4
    cut = tiny(tmp_path / "cut", method, **chosen)
    cut.grid.tamper = cut_in_round_3
    with pytest.raises(PowerCutError):
        cut.play()
    assert len(cut.lines()) == 2
    resumed = tiny(tmp_path / "cut", method, **chosen, resume=True)
    assert without_clocks(resumed.play()) == lines
    for client in (0, 1):
        expected, found = kept(whole, client), kept(resumed, client)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[name], found[name]) for name in expected)
        moments = [name for name in found if name.startswith("moments/")]
        kinds = {name.rpartition("/")[2] for name in moments}
        if "optimiser" in chosen:
            assert kinds == {"step", "exp_avg", "exp_avg_sq"}
        elif "momentum" in chosen:
            assert kinds == {"momentum_buffer"}
        else:
            assert "moments:nothing" in found
            assert kinds == set()


def test_every_choice_makes_a_difference(tmp_path: Path) -> None:
    journals = [
        without_clocks(tiny(tmp_path / str(number), "local", **SMALL, **chosen).play())
        for number, chosen in enumerate(({}, *CHOICES.values()))
    ]
    losses = [
        tuple(node["losses"]["total"] for line in lines for node in line["nodes"].values())
        for lines in journals
    ]
    assert len(set(losses)) == len(losses)


def test_the_defaults_keep_no_moments(tmp_path: Path) -> None:
    run = tiny(tmp_path, "local", **{**SMALL, "rounds": 1})
    run.play()
    stored = [name for name in kept(run, 0) if name.startswith("moments")]
    assert stored == ["moments:nothing"]
