"""A round of FedGen as straight-line code: Zhu et al., ICML 2021, algorithm 1, and its code."""

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from strategies.common import seeds
from strategies.common.architecture import Architecture
from strategies.common.payloads import numbers_of, put_numbers
from strategies.common.round import Reply
from strategies.fedgen.generator import FeatureGenerator
from strategies.fedgen.wire import Lesson, Model
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs

ROUND, BATCH, CLASSES, WIDTH, NOISE = 3, 4, 3, 5, 6
OWN = {"noise_dim": NOISE, "hidden_dim": 7, "generator_steps": 3, "generator_batch_size": 8}


def device_of(k: int) -> FakeDevice:
    run = halves.run_of("fedgen", learning_rate=0.1, batch_size=BATCH, feature_dim=WIDTH)
    # The second client holds no sample of class 2.
    x, y = blobs(4 + 2 * k, [0, 1, 2][: CLASSES - k], seed=k)
    return FakeDevice(x, y, x, y, CLASSES, WIDTH, run, round_number=ROUND, partition=k)


@pytest.mark.parametrize("mode", ["paper", "official"])
def test_a_users_steps_agree_with_their_page(mode: str) -> None:
    device = device_of(0)
    half = halves.client("fedgen", device.task, device.settings, mode=mode, **OWN)
    state = half.start(device)
    theta, g = copy.deepcopy(state.model), FeatureGenerator.of(half.agreed)
    prior = torch.tensor([0.5, 0.3, 0.2])
    lesson = Lesson(*numbers_of(theta), *numbers_of(g), prior)
    before = copy.deepcopy(g.state_dict())
    trained = half.train(device, state, lesson)

    g.eval()
    order, drawn = device.generator("batches"), device.generator("generated features")

    def z(labels: Tensor) -> Tensor:
        make = torch.randn if mode == "paper" else torch.rand
        return g(make(len(labels), NOISE, generator=drawn), labels).detach()

    alpha = 1.0 if mode == "paper" else 10 * 0.98 ** (ROUND - 1)
    for b in torch.randperm(len(device.labels), generator=order).split(BATCH):
        x, y = device.inputs[b], device.labels[b]
        loss = functional.cross_entropy(theta(x), y)
        y_hat = torch.multinomial(prior, len(b), replacement=True, generator=drawn)
        loss = loss + alpha * functional.cross_entropy(theta.head(z(y_hat)), y_hat)
        if mode == "official":
            target = theta.head(z(y)).softmax(1).detach()
            apart = (target * (target.log() - theta(x).log_softmax(1))).sum(1).mean()
            loss = loss + alpha * apart
        gradients = torch.autograd.grad(loss, list(theta.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(theta.parameters(), gradients, strict=True):
                parameter.sub_(0.1 * gradient)
    torch.testing.assert_close(state.model.state_dict(), theta.state_dict())
    torch.testing.assert_close(trained.uplink.parameters, numbers_of(theta)[0])
    assert trained.uplink.labels.tolist() == [0, 1, 2]
    assert trained.uplink.counts.tolist() == [4, 4, 4]
    # Check 34: the generator is as it was.
    again = FeatureGenerator.of(half.agreed)
    put_numbers(again, lesson.generator, lesson.measured)
    torch.testing.assert_close(again.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("mode", ["paper", "official"])
def test_the_servers_steps_agree_with_their_page(mode: str) -> None:
    devices = [device_of(k) for k in range(2)]
    run = devices[0].settings
    server = halves.server("fedgen", devices[0].task, run, mode=mode, **OWN)
    state = server.start()
    models = [device.build_model() for device in devices]
    counts, n = torch.tensor([[4.0, 4.0, 4.0], [6.0, 6.0, 0.0]]), [12, 12]
    held = [torch.tensor([0, 1, 2]), torch.tensor([0, 1])]
    sent = [Model(*numbers_of(models[k]), held[k], counts[k][held[k]].long()) for k in range(2)]
    g = FeatureGenerator.of(server.agreed)
    put_numbers(g, state.generator, state.measured)
    own = Architecture.of(models[0])
    said = server.aggregate(state, ROUND, [Reply(k, n[k], sent[k], own) for k in range(2)])

    p = counts.sum(0) / counts.sum() if mode == "paper" else torch.full((3,), 1 / 3)
    torch.testing.assert_close(state.prior, p)
    # Weight decay of torch's Adam is added to the gradient.
    rate = 3e-4 * (1.0 if mode == "paper" else 0.98 ** (ROUND - 1))
    adam = torch.optim.Adam(g.parameters(), lr=rate, weight_decay=1e-2)
    order = seeds.generator(run.seed, "generator", round_number=ROUND)
    w = (counts + 1) / (counts + 1).sum(0)
    for _ in range(3):
        y = torch.multinomial(p, 8, replacement=True, generator=order)
        eps = (torch.randn if mode == "paper" else torch.rand)(8, NOISE, generator=order)
        z = g(eps, y)
        if mode == "paper":
            logits = torch.stack([model.head(z) for model in models]).mean(0)
            loss = functional.cross_entropy(logits, y)
        else:
            loss = torch.zeros(())
            for k, model in enumerate(models):
                nll = functional.cross_entropy(model.head(z), y, reduction="none")
                loss = loss + (w[k, y] * nll).mean()
        alike = 0.0
        for i in range(8):
            for j in range(8):
                alike += (eps[i] - eps[j]).square().mean() * (z[i] - z[j]).abs().mean() / 64
        loss = loss + (-alike).exp()
        adam.zero_grad()
        loss.backward()
        adam.step()
    again = FeatureGenerator.of(server.agreed)
    put_numbers(again, state.generator, state.measured)
    torch.testing.assert_close(again.state_dict(), {**g.state_dict(), **_counted(again)})
    mean = sum(numbers_of(model)[0] for model in models) / 2
    torch.testing.assert_close(server.shared(state, own).parameters, mean)
    assert said.diagnostics.keys() >= {"generator_loss", "likeness", "recognised"}


def _counted(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return counts of batches, which are each side's own."""
    return {n: v for n, v in module.state_dict().items() if n.endswith("num_batches_tracked")}
