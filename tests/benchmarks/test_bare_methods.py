"""Plain loops whose seconds are compared with a method's come to the method's numbers."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.bare_factors import product
from benchmarks.bare_mutual import learnt
from benchmarks.bare_servers import BARE
from benchmarks.seconds_case import ROUND, Case, Value, case_of, trained

_OPEN: dict[str, Value] = {"open-data": "digits", "open-samples": 20}
# Few steps, since Adam's spread the last digits.
OWN: dict[str, dict[str, Value]] = {
    "dsfl": {**_OPEN, "dsfl.samples-per-round": 20, "dsfl.distill-epochs": 1},
    "fedmd": {**_OPEN, "fedmd.samples-per-round": 20},
    # Teachers that are all the student's own leave gradients of rounding alone.
    "feddf": {**_OPEN, "feddf.distill-steps": 1, "feddf.distill-learning-rate": 1e-6},
    "fedl2g": {"fedl2g.warm-up-rounds": 0},
    "fedktl": {"fedktl.server-epochs": 2},
    "fedtgp": {"fedtgp.server-epochs": 2},
    "fedgen": {"fedgen.mode": "paper", "fedgen.generator-steps": 2},
}


def case(method: str, **changes: Value) -> Case:
    return case_of(method, "cnn", (22, 8), {**OWN.get(method, {}), **changes})


def weights(state: Any) -> list[Tensor]:
    return [parameter.detach() for parameter in state.model.parameters()]


def first(holder: Any, *names: str) -> Tensor | None:
    """Return the first of some fields that a payload or a state has."""
    found = next((getattr(holder, name) for name in names if hasattr(holder, name)), None)
    return next(iter(found.values())) if isinstance(found, dict) else found


@pytest.mark.parametrize("method", BARE)
def test_a_plain_loop_comes_to_the_same_numbers(method: str) -> None:
    played = case(method)
    ours, theirs = copy.deepcopy(played.state), copy.deepcopy(played.state)
    uplink = trained(played, ours)
    played.client.evaluate(played.device, ours, played.down)
    sent = BARE[method][0](played, theirs)()
    torch.testing.assert_close(weights(ours), weights(theirs))
    if method == "fedkd":
        # Factors may be turned and scaled; what they stand for is one change.
        agreed = played.client.agreed
        stood_for = product(sent, uplink.ranks.tolist(), agreed.beside.shapes)
        torch.testing.assert_close(uplink.restored(agreed), stood_for)
    elif method != "local":
        torch.testing.assert_close(first(uplink, "parameters", "rows"), sent)

    ours, theirs = copy.deepcopy(played.server_state), copy.deepcopy(played.server_state)
    played.server.aggregate(ours, ROUND, played.replies)
    came = BARE[method][1](played, theirs)()
    kept = first(ours, "vectors", "fields", "parameters", "rows")
    if method == "fd":  # its server keeps all rows, and means what it sends to each
        kept = ours.means(10).rows
    if came is not None:
        torch.testing.assert_close(kept, came, rtol=1e-3, atol=1e-4)


def test_two_passes_back_have_the_gradients_of_one() -> None:
    """As ``detach=false`` sums HtFLlib's losses; gradients are far below what is clipped.

    FedKD's hidden loss is in both losses there, and once here.
    """
    played = case("fml", **{"fml.detach": False})
    ours, theirs = copy.deepcopy(played.state), copy.deepcopy(played.state)
    trained(played, ours)
    learnt(played, theirs)()
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-4, atol=1e-6)
