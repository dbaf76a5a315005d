"""FedDF on the server: who teaches whom, and what that leaves as it is."""

import sys
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from models import catalogue
from strategies.common.architecture import Architecture
from strategies.common.errors import ModelError, WireError
from strategies.common.inputs import Images
from strategies.common.model import FeatureModel
from strategies.common.open_data import OpenData, OpenLabels
from strategies.common.round import Reply
from strategies.common.samples import prepare
from strategies.common.task import Task
from strategies.feddf.server import FedDFServer, good_enough
from strategies.feddf.wire import Model
from tests.strategies import halves
from tests.strategies.fake_device import blobs

TASK = Task(3, Images(1, 8, 8), 8)
OPEN = OpenData.of(blobs(20, [0, 1, 2], shape=(1, 8, 8))[0])


CLASSES = blobs(20, [0, 1, 2], shape=(1, 8, 8))[1]


def server(**own: float) -> FedDFServer:
    run = halves.run_of("feddf", feature_dim=8, open_data="digits")
    own = {"distill_steps": 30, "distill_batch_size": 16, **own}
    named = OpenLabels(CLASSES, ("a", "b", "c"))
    labelled = {"open_labels": lambda: named} if "drop_worst" in own else {}
    half: FedDFServer = halves.server("feddf", TASK, run, open_data=lambda: OPEN, **labelled, **own)
    return half


def trained(name: str, seed: int, steps: int = 15) -> FeatureModel:
    """Return a model that learns the three classes, each seed another one."""
    model = catalogue.build(name, TASK, 8, seed)
    x, y = blobs(8, [0, 1, 2], shape=(1, 8, 8), seed=seed)
    model.train()
    for _ in range(steps):
        loss = functional.cross_entropy(model(x), y)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter.sub_(0.05 * gradient)
    return model


def reply(client: int, name: str, samples: int = 10, steps: int = 15) -> Reply[Model]:
    model = trained(name, client, steps)
    return Reply(client, samples, Model.of(model), Architecture.of(model, name))


MIXED = [("cnn", 0), ("resnet4", 1), ("cnn", 2)]


def logits_of(half: FedDFServer, name: str, sent: Model) -> torch.Tensor:
    model = catalogue.build(name, TASK, 8, 0)
    sent.into(model)
    with torch.no_grad():
        return model.eval()(prepare(OPEN.inputs))


def test_without_steps_it_is_fedavg() -> None:
    """Check 45: zero distillation steps leave the mean, weighed by samples."""
    half, fedavg = server(distill_steps=0), halves.server("fedavg", TASK)
    replies = [reply(0, "cnn", 30), reply(1, "cnn", 10)]
    state, means = half.start(), fedavg.start()
    said = half.aggregate(state, 1, replies)
    fedavg.aggregate(means, 1, replies)
    key = replies[0].architecture.key
    torch.testing.assert_close(state.parameters[key], means.parameters[key], rtol=0, atol=0)
    assert "divergence" not in said.diagnostics


def test_a_model_that_puts_out_infinity_is_left_out_by_name() -> None:
    """Variances of 0 are none that is refused, and the teacher of all would be no number."""
    half = server()
    replies = [reply(client, "cnn") for client in range(3)]
    spoilt = replies[1].uplink
    huge = replace(spoilt, parameters=spoilt.parameters * 1e18)
    state, usual = half.start(), half.start()
    said = half.aggregate(state, 1, [replies[0], replace(replies[1], uplink=huge), replies[2]])
    assert said.notes == (
        "feddf: the model of client 1 puts out no finite numbers for open data and was left out",
    )
    half.aggregate(usual, 1, [replies[0], replies[2]])
    for name, mean in state.parameters.items():
        assert torch.equal(mean, usual.parameters[name])


def test_students_come_closer_to_all_clients_together_than_their_means() -> None:
    """Checks 44 to 46: each architecture has a student, and all clients teach it."""
    half, before = server(), server(distill_steps=0)
    replies = [reply(client, name) for name, client in MIXED]
    sent = [(r.uplink.parameters.clone(), r.uplink.statistics.clone()) for r in replies]
    state, means = half.start(), before.start()
    said = half.aggregate(state, 1, replies)
    before.aggregate(means, 1, replies)
    assert said.diagnostics["divergence"] < said.diagnostics["divergence_before"]
    assert said.notes == ()
    logits = [logits_of(half, r.architecture.name, r.uplink) for r in replies]
    teacher = torch.stack(logits).mean(0).log_softmax(1)
    for r in replies[:2]:
        near, far = (
            functional.kl_div(
                logits_of(half, r.architecture.name, one.shared(held, r.architecture)).log_softmax(
                    1
                ),
                teacher,
                reduction="batchmean",
                log_target=True,
            )
            for one, held in ((half, state), (before, means))
        )
        assert near < far
    # Teachers stay as they were.
    for r, (parameters, statistics) in zip(replies, sent, strict=True):
        assert torch.equal(r.uplink.parameters, parameters)
        assert torch.equal(r.uplink.statistics, statistics)


def test_logits_are_averaged_and_not_probabilities() -> None:
    """Check 44: on clients that disagree the two rules differ, and the order does not matter."""
    replies = []
    for client in range(3):
        model = trained("cnn", client)
        with torch.no_grad():
            model.head.weight.mul_((400.0, 100.0, 1.0)[client])
        replies.append(Reply(client, 10, Model.of(model), Architecture.of(model, "cnn")))
    half, plain = server(distill_steps=1), server(distill_steps=0)
    means = plain.start()
    plain.aggregate(means, 1, replies)
    start = logits_of(half, "cnn", plain.shared(means, replies[0].architecture)).log_softmax(1)
    logits = torch.stack([logits_of(half, "cnn", reply.uplink) for reply in replies])
    by_logits, by_probabilities = (
        float(functional.kl_div(start, teacher, reduction="batchmean"))
        for teacher in (logits.mean(0).softmax(1), logits.softmax(2).mean(0))
    )
    assert abs(by_logits - by_probabilities) > 1e-2
    for order in (replies, replies[::-1]):
        said = half.aggregate(half.start(), 1, order)
        assert said.diagnostics["divergence_before"] == pytest.approx(by_logits, abs=1e-4)


def test_one_client_teaches_itself_nothing() -> None:
    """Check 44: a teacher that is the student has no divergence."""
    half = server(distill_steps=1)
    state = half.start()
    said = half.aggregate(state, 1, [reply(0, "cnn")])
    assert said.diagnostics["divergence_before"] == pytest.approx(0.0, abs=1e-6)


def test_a_group_that_is_silent_keeps_its_student() -> None:
    """Check 46: an empty group keeps its previous model."""
    half = server(distill_steps=3)
    state = half.start()
    replies = [reply(client, name) for name, client in MIXED]
    half.aggregate(state, 1, replies)
    kept = state.parameters[replies[1].architecture.key].clone()
    half.aggregate(state, 2, [replies[0], replies[2]])
    assert torch.equal(state.parameters[replies[1].architecture.key], kept)
    half.aggregate(state, 3, [])
    assert torch.equal(state.parameters[replies[1].architecture.key], kept)


def test_the_same_seed_distils_alike_and_each_round_otherwise() -> None:
    """Check 49."""
    replies = [reply(client, name) for name, client in MIXED]
    ends = []
    for round_number in (1, 1, 2):
        half = server(distill_steps=5)
        state = half.start()
        half.aggregate(state, round_number, replies)
        ends.append(state.parameters[replies[0].architecture.key])
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_a_model_of_the_same_name_that_holds_something_else_is_refused() -> None:
    half = server()
    one = reply(0, "cnn")
    other = Architecture("f" * 64, one.architecture.parameters, one.architecture.statistics, "cnn")
    with pytest.raises(
        ModelError, match=r"feddf: expected the server's cnn to be what clients hold"
    ):
        half.aggregate(half.start(), 1, [Reply(0, 10, one.uplink, other)])


def test_models_at_chance_are_left_out_and_never_all() -> None:
    """Check 47: more often right than so many times chance, or all of them."""
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    sure = functional.one_hot(labels, 3).float()
    guess = torch.tensor([[1.0, 0.0, 0.0]]).expand(6, 3)
    assert good_enough([guess, sure, guess], labels, 1.2) == [1]
    # A third is right by chance, which is not more than once chance.
    assert good_enough([guess, sure], labels, 1.0) == [1]
    assert good_enough([guess, sure], labels, 0.9) == [0, 1]
    assert good_enough([guess, guess], labels, 1.2) == []


def accuracy_of(one: Reply[Model]) -> float:
    said = logits_of(server(), "cnn", one.uplink).argmax(1)
    return float((said == CLASSES).float().mean())


def test_who_is_left_out_is_in_no_mean_and_teaches_nobody() -> None:
    """Check 47."""
    good, other = reply(0, "cnn", steps=120), reply(2, "cnn")
    assert accuracy_of(good) > 0.6
    spoilt = Reply(
        1, 10, replace(other.uplink, parameters=0 * other.uplink.parameters), other.architecture
    )
    half, alone = server(drop_worst=1.2), server()
    state, expected = half.start(), alone.start()
    said = half.aggregate(state, 1, [good, spoilt])
    alone.aggregate(expected, 1, [good])
    assert said.notes == ("feddf: client 1 hardly learnt and was left out",)
    key = good.architecture.key
    torch.testing.assert_close(state.parameters[key], expected.parameters[key], rtol=0, atol=0)
    # Without the setting nobody reads labels, of which this server has none.
    assert server().aggregate(alone.start(), 1, [good, spoilt]).notes == ()


@pytest.mark.parametrize("name", ["nonsense", "resnet4", "json:loads", "this:d"])
def test_a_model_that_cannot_be_built_here_is_its_senders_failure(name: str) -> None:
    half = server()
    honest = reply(0, "cnn")
    half.check(half.start(), honest)
    sys.modules.pop("this", None)
    liar = replace(honest, partition=4, architecture=replace(honest.architecture, name=name))
    with pytest.raises(WireError, match=r"^client 4: "):
        half.check(half.start(), liar)
    # No code is run whose place a device names.
    assert "this" not in sys.modules
