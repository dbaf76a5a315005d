"""Both halves over a stream against plain autograd in one process, and what must not matter."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from strategies.splitfed.network import split_classifier
from tests.strategies.splitfed.plain import PlainSplitFed
from tests.strategies.splitfed.small_run import Settings, SmallRun, start, tiny_clients


def flat(module: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def plain(run: SmallRun) -> PlainSplitFed:
    network = split_classifier(run.split, run.clients[0].task, run.run.seed)
    return PlainSplitFed(network.front, network.back, run.clients, run.settings)


def assert_as_rounded(found: Tensor, expected: Tensor) -> None:
    """Compare sums in float32: what is left where large terms cancel is as exact as those are."""
    torch.testing.assert_close(found, expected, atol=2e-6 * float(expected.abs().max()), rtol=1e-3)


@pytest.mark.parametrize(
    ("version", "scale", "count", "steps"),
    [
        *(("v1", "client", count, steps) for count, steps in ((1, 3), (5, 2))),
        ("v2", "client", 5, 2),
        ("v1", "pool", 5, 2),
        *(
            pytest.param(*case, marks=pytest.mark.thorough)
            for case in (("v1", "client", 9, 1), ("v2", "client", 1, 3), ("v1", "pool", 1, 2))
        ),
    ],
)
def test_it_is_plain_autograd_to_the_last_bit(
    version: str, scale: str, count: int, steps: int, run_settings: Settings
) -> None:
    clients = tiny_clients(run_settings, count, sizes=(6, 4, 9), learning_rate=0.1)
    run = start(clients, version=version, gradient_scale=scale, steps_per_round=steps)
    reference = plain(run)
    for round_number in (1, 2):
        run.play(round_number)
        reference.play(steps)
    assert torch.equal(run.state.front, flat(reference.fronts[0]))
    assert torch.equal(flat(run.state.back), flat(reference.backs[0]))
    assert not torch.equal(run.state.front, flat(plain(run).fronts[0]))
    assert int(run.state.step) == 2 * steps


@pytest.mark.parametrize(("version", "scale"), [("v1", "client"), ("v1", "pool"), ("v2", "client")])
def test_how_clients_share_nodes_makes_no_difference(
    version: str, scale: str, run_settings: Settings
) -> None:
    ends = []
    for carried in (4, 2, 1):
        clients = tiny_clients(run_settings, 4, sizes=(6, 4))
        run = start(
            clients, carried=carried, version=version, gradient_scale=scale, steps_per_round=2
        )
        run.play(1)
        ends.append((run.state.front, flat(run.state.back), run.state.velocity))
    for one, other in pairwise(ends):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_with_copies_two_cohorts_are_one_to_the_last_bit(run_settings: Settings) -> None:
    runs = [
        start(tiny_clients(run_settings, 4), cohorts=cohorts, steps_per_round=3)
        for cohorts in (1, 2)
    ]
    for run in runs:
        run.play(1)
    assert len(runs[1].server.plan(runs[1].state, 2, [0]).cohorts) == 2
    assert torch.equal(runs[0].state.front, runs[1].state.front)
    assert torch.equal(flat(runs[0].state.back), flat(runs[1].state.back))


def test_with_one_part_two_cohorts_are_one_up_to_rounding(run_settings: Settings) -> None:
    # Five clients: cohorts of three and two, whose shares differ.
    runs = [
        start(
            tiny_clients(run_settings, 5, learning_rate=0.1),
            cohorts=cohorts,
            gradient_scale="pool",
            steps_per_round=3,
        )
        for cohorts in (1, 2)
    ]
    for run in runs:
        run.play(1)
    torch.testing.assert_close(runs[0].state.front, runs[1].state.front, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        flat(runs[0].state.back), flat(runs[1].state.back), atol=1e-5, rtol=1e-4
    )


def test_v2_has_one_cohort_whatever_the_settings(run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 4), cohorts=2, version="v2")
    assert run.server.plan(run.state, 1, [0]).cohorts == ((0, 1, 2, 3),)


def test_batched_fronts_learn_the_same_up_to_rounding(run_settings: Settings) -> None:
    one = start(tiny_clients(run_settings, 3), steps_per_round=1)
    other = start(tiny_clients(run_settings, 3), fronts="batched", steps_per_round=1)
    for run in (one, other):
        run.play(1)
    torch.testing.assert_close(one.state.front, other.state.front, atol=1e-5, rtol=1e-4)


def test_averaging_copies_at_every_step_is_learning_from_the_pool(run_settings: Settings) -> None:
    # Clients stay where they are, so that both servers meet the same activations.
    ends = []
    for scale in ("client", "pool"):
        clients = tiny_clients(run_settings, 4, learning_rate=1e-12)
        run = start(clients, gradient_scale=scale, steps_per_round=1, server_learning_rate=0.1)
        before = flat(run.state.back)
        for round_number in (1, 2, 3):
            run.play(round_number)
        assert not torch.allclose(before, flat(run.state.back), atol=1e-3)
        ends.append((flat(run.state.back), run.state.velocity))
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_a_client_moves_by_one_over_the_pool_where_gradients_are_the_pools(
    run_settings: Settings,
) -> None:
    moved = []
    for scale in ("client", "pool"):
        clients = tiny_clients(run_settings, 4, learning_rate=0.5)
        run = start(clients, gradient_scale=scale, weight_decay=0.0, steps_per_round=1)
        reply = run.exchange(1)[0].uplink
        assert reply is not None
        moved.append(reply.models - run.state.front)
    assert_as_rounded(moved[0], 4 * moved[1])
    assert float(moved[0].abs().max()) > 1e-3


def test_a_late_client_misses_its_step_and_no_other_does(run_settings: Settings) -> None:
    # Three nodes of one client; node 1 is too late for steps 1 and 2 of 3.
    def run_with(late: list[tuple[int, int, int]]) -> tuple[SmallRun, dict[int, Tensor]]:
        run = start(tiny_clients(run_settings, 3), carried=1, steps_per_round=3)
        replies = run.exchange(1, late)
        fronts = {node: r.uplink.models[0] for node, r in replies.items() if r.uplink}
        figures = {node: reply.figures for node, reply in replies.items()}
        assert figures[0] == {"steps": 3.0, "skipped_steps": 0.0}
        # Told to go on with step 3, it never sends step 2.
        assert figures[1] == {"steps": 3.0 - len(late), "skipped_steps": float(bool(late))}
        run.aggregate(1, replies)
        return run, fronts

    _, whole = run_with([])
    run, fronts = run_with([(1, 0, 1), (2, 0, 1)])
    assert torch.equal(fronts[0], whole[0])
    assert torch.equal(fronts[2], whole[2])
    assert not torch.equal(fronts[1], whole[1])
    # It took step 3 with step 3's batch, from the weights and buffers it started with.
    alone = start(tiny_clients(run_settings, 3), carried=1, steps_per_round=3)
    third = alone.exchange(1, [(step, 0, node) for step in (1, 2) for node in range(3)])
    assert third[1].uplink is not None
    assert torch.equal(fronts[1], third[1].uplink.models[0])
    assert run.said[0].diagnostics["clients"] == 3


def test_a_late_client_leaves_the_weight_of_the_others_as_it_is(run_settings: Settings) -> None:
    def gradients(late: list[tuple[int, int, int]]) -> Tensor:
        clients = tiny_clients(run_settings, 4, learning_rate=0.5)
        run = start(
            clients,
            carried=1,
            cohorts=2,
            gradient_scale="pool",
            weight_decay=0.0,
            steps_per_round=1,
        )
        replies = run.exchange(1, late)
        assert replies[0].uplink is not None
        return replies[0].uplink.models[0] - run.state.front

    # Client 2 is in client 0's cohort, 1 and 3 are in the other.
    whole = gradients([])
    assert torch.equal(gradients([(1, 1, 1)]), whole)
    # Its cohort's half of the step is then the mean over one client instead of two.
    assert_as_rounded(gradients([(1, 0, 2)]), 2 * whole)


def test_the_order_of_v2_changes_from_step_to_step(run_settings: Settings) -> None:
    clients = tiny_clients(run_settings, 6)
    run = start(clients, version="v2", steps_per_round=4)
    seen: list[list[int]] = []
    plan = run.server.plan(run.state, 1, [0])
    engine = run.server.engine(run.state, plan)
    latent = run.server.frames((0,), plan.batch).tensors[0].shape
    for step in range(1, 5):
        arrived = {c: (torch.ones(2, *latent), torch.tensor([0, 1])) for c in range(6)}
        gradients = engine.advance(step, 0, arrived)
        assert list(gradients) == [0, 1, 2, 3, 4, 5]
        # The same batch from all: its gradient shrinks as the part learns from one after another,
        # and so tells the place in the order.
        norms = {client: float(gradient.norm()) for client, gradient in gradients.items()}
        assert len(set(norms.values())) == 6
        seen.append(sorted(norms, key=lambda client: norms[client]))
        engine.finish(step)
    assert len({tuple(order) for order in seen}) == 4


# That gradients of the pool are plain autograd's is shown above.
# V2 is plain autograd to the last bit, too.
def test_it_learns(run_settings: Settings) -> None:
    clients = tiny_clients(
        run_settings, 3, sizes=(12,), rounds=5, evaluate_every=4, batch_size=4, learning_rate=0.02
    )
    run = start(
        clients,
        version="v1",
        gradient_scale="client",
        server_learning_rate=0.02,
        steps_per_round=6,
    )
    losses = []
    for round_number in range(1, 6):
        run.play(round_number)
        losses.append(run.said[-1].diagnostics["loss"])
        found = run.survey(round_number)
        assert (found is not None) is (round_number in (4, 5))
    assert losses[-1] < losses[0] / 2
    assert found is not None
    assert found.test_samples == {0: 6, 1: 6, 2: 6}
    correct = sum(evaluation.correct for evaluation in found.evaluations.values())
    assert correct >= 17
    assert run.said[-1].diagnostics["train_accuracy"] > 0.9
