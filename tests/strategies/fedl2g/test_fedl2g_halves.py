"""FedL2G: what is held out, what warms up, and what is left as it was."""

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models import catalogue
from strategies.common.architecture import NO_MODEL
from strategies.common.errors import DataError, WireError
from strategies.common.inputs import Columns, Images, Tokens, Windows
from strategies.common.magnitudes import too_large
from strategies.common.round import Reply
from strategies.common.task import Task
from strategies.fedl2g.wire import Gradients
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def normalised_body(values: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(values, width), nn.BatchNorm1d(width), nn.ReLU())


def device_of(per_class: int = 4, round_number: int = 1, **general: float) -> FakeDevice:
    x, y = blobs(per_class, [0, 1, 2])
    run = halves.run_of("fedl2g", **{"learning_rate": 0.1, "batch_size": 4, **general})
    return FakeDevice(
        x, y, x, y, 3, 5, run, round_number=round_number, partition=0, body=normalised_body
    )


def both(device: FakeDevice, **own: float) -> tuple[object, object]:
    return (
        halves.client("fedl2g", device.task, device.settings, **own),
        halves.server("fedl2g", device.task, device.settings, **own),
    )


@settings(max_examples=30, deadline=None)
@given(per_class=st.integers(2, 12), quiz_batches=st.integers(1, 5))
def test_nothing_of_the_quiz_is_studied_and_half_is_left(per_class: int, quiz_batches: int) -> None:
    device = device_of(per_class)
    half, _ = both(device, quiz_batches=quiz_batches)
    study, quiz = half.parts(device)
    assert sorted([*study.tolist(), *quiz.tolist()]) == list(range(3 * per_class))
    assert len(quiz) == min(4 * quiz_batches, 3 * per_class // 2)
    again = half.parts(device_of(per_class, round_number=2))
    assert torch.equal(quiz, again[1])


def test_a_sample_that_is_added_moves_no_other_into_the_quiz() -> None:
    fewer, more = device_of(10), device_of(10)
    x, y = blobs(3, [0, 1, 2], seed=9)
    more = replace(more, inputs=torch.cat([x, more.inputs]), labels=torch.cat([y, more.labels]))
    half, _ = both(fewer)
    before = {fewer.inputs[row].numpy().tobytes() for row in half.parts(fewer)[1]}
    added = {one.numpy().tobytes() for one in x}
    after = {more.inputs[row].numpy().tobytes() for row in half.parts(more)[1]}
    assert after <= before | added


NETWORKS = [name for name in catalogue.MODELS if name not in ("resnet50", "vit_b_16", "vit_b_32")]
READ = {"images": Images(1, 28, 28), "windows": Windows(2, 64), "tokens": Tokens(6, 20)}


@pytest.mark.quick("cnn", "vit_tiny", "text_transformer", "sensor_gru")
@pytest.mark.parametrize("name", NETWORKS)
def test_guidance_has_a_gradient_through_every_network(name: str) -> None:
    kind = catalogue.MODELS[name][1].kind
    told = READ.get(kind.kind, Columns(5))
    x = told.example(8, torch.Generator().manual_seed(0))
    y = torch.arange(8) % 3
    device = FakeDevice(x, y, x, y, 3, 16, halves.run_of("fedl2g", batch_size=4))
    half = halves.client("fedl2g", Task(3, told, 16), device.settings)
    model = catalogue.build(name, Task(3, told, 0), 16, seed=1)
    _, sent = half.guidance(device, model, torch.randn(3, 16))
    assert bool(sent.rows.isfinite().all())
    assert float(sent.rows.abs().max()) > 0


def test_it_learns_from_its_study_set_alone() -> None:
    device = device_of()
    half, server = both(device, warm_up_rounds=0)
    state, guides = half.start(device), server.broadcast(server.start())
    _, quiz = half.parts(device)
    spoilt = device.inputs.clone()
    spoilt[quiz] = 1e3
    other = FakeDevice(
        spoilt, device.labels, spoilt, device.labels, 3, 5, device.settings, body=normalised_body
    )
    ends = []
    for one in (device, other):
        own = copy.deepcopy(state)
        half.train(one, own, guides)
        ends.append({n: p.detach() for n, p in own.model.named_parameters()})
    torch.testing.assert_close(ends[0], ends[1])


def test_a_guided_step_leaves_the_model_and_what_it_measured_as_they_are() -> None:
    device = device_of()
    half, server = both(device)
    state, guides = half.start(device), server.broadcast(server.start())
    before = copy.deepcopy(state.model.state_dict())
    trained = half.train(device, state, guides)  # within the warm-up
    torch.testing.assert_close(state.model.state_dict(), before)
    assert set(trained.losses) == {"quiz"}
    assert all(p.grad is None for p in state.model.parameters())


def test_the_gradient_is_how_the_quiz_changes_with_the_vectors() -> None:
    """Finite differences in float64 are the judge."""
    device = device_of()
    half, server = both(device)
    model = half.start(device).model.double()
    x = device.inputs.double()
    exact = FakeDevice(x, device.labels, x, device.labels, 3, 5, device.settings)
    guides = server.start().rows.double()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("strategies.common.training.prepare", lambda inputs: inputs)
        _, sent = half.guidance(exact, model, guides)
        label, column, step = int(sent.labels[0]), 2, 1e-5
        moved = [guides.clone(), guides.clone()]
        moved[0][label, column] += step
        moved[1][label, column] -= step
        up, down = (half.guidance(exact, model, one)[0] for one in moved)
    assert float(sent.rows[0, column]) == pytest.approx((up - down) / (2 * step), rel=1e-4)


def test_the_servers_step_is_clipped_and_rows_that_nobody_sent_stay() -> None:
    device = device_of()
    _, server = both(device, max_norm=2.0, server_learning_rate=0.5)
    state = server.start()
    before = state.rows.clone()
    rows = torch.zeros(1, 5)
    rows[0, 0] = 10.0
    said = server.aggregate(state, 1, [Reply(0, 12, Gradients(rows, torch.tensor([1])))])
    moved = state.rows - before
    assert moved[1].tolist() == pytest.approx([-1.0, 0, 0, 0, 0])
    assert not moved[[0, 2]].any()
    assert said.diagnostics["guide_gradient"] == pytest.approx(10.0)
    assert server.aggregate(state, 2, []).diagnostics == {}


def test_vectors_are_learnt_so_that_a_guided_step_does_better_in_the_quiz() -> None:
    device = device_of(8, rounds=50)
    half, server = both(device, server_learning_rate=60.0, warm_up_rounds=49, max_norm=0)
    kept, state, told = server.start(), half.start(device), []
    for _ in range(40):
        trained = half.train(device, state, server.broadcast(kept))
        told.append(trained.losses["quiz"])
        server.aggregate(kept, 1, [Reply(0, 24, trained.uplink)])
    assert sum(told[-5:]) < sum(told[:5]) - 5 * 0.03


def test_honest_readers_are_not_refused_however_little_half_of_them_ask_for() -> None:
    """Largest rows of ten readers of AG News, one round: text models ask for unlike steps."""
    asked = [1.6e-8, 6.4e-5, 1.3e-6, 1.5e-4, 2.9e-8, 2.8e-5, 2.9e-6, 6.2e-4, 7.5e-8, 3.5e-5]
    _, server = both(device_of())
    state, labels = server.start(), torch.arange(3)

    def refused(*more: Gradients) -> list[int]:
        sent = [*(Gradients(torch.full((3, 5), one), labels) for one in asked), *more]
        told = {
            n: server.magnitudes(state, Reply(n, 30, one, NO_MODEL)) for n, one in enumerate(sent)
        }
        return list(too_large(told, dict.fromkeys(told, 30)))

    assert refused() == []
    # A hundred times what eight of eleven stay within is 6.4e-3; zeros do not hide a loud row.
    loud = torch.zeros(3, 5)
    assert refused(Gradients(loud.index_fill(0, labels[:1], 6.3e-3), labels)) == []
    assert refused(Gradients(loud.index_fill(0, labels[:1], 6.5e-3), labels)) == [10]
    # Without anything to say nobody is refused, and no one's voice.
    nothing = Gradients(torch.zeros(0, 5), labels[:0])
    assert refused(nothing) == []


@pytest.mark.parametrize("warm_up_rounds", [0, 1])
def test_a_round_without_vectors_is_refused(warm_up_rounds: int) -> None:
    device = device_of()
    half, _ = both(device, warm_up_rounds=warm_up_rounds)
    with pytest.raises(WireError, match=r"expected a payload fedl2g\.guides, got none"):
        half.train(device, half.start(device), None)


def test_too_few_samples_are_refused() -> None:
    x, y = blobs(1, [0, 1, 2])
    device = FakeDevice(x, y, x, y, 3, 5, halves.run_of("fedl2g"))
    half, _ = both(device)
    with pytest.raises(DataError, match="expected at least 4 training samples"):
        half.parts(device)
