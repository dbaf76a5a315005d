"""Two rounds of FedMRL as straight-line code: Yi et al., 2024, algorithm 1."""

import copy

import pytest
import torch
from torch.nn import functional

from models import catalogue
from strategies.common.round import Reply
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


@pytest.mark.parametrize("kept", [True, False])
def test_two_rounds_of_fedmrl_agree_with_their_page(kept: bool) -> None:
    eta, d_1, d_2, m_g, m_f = 0.05, 3, 5, 0.7, 1.3
    run = halves.run_of("fedmrl", learning_rate=eta, batch_size=4, feature_dim=d_2)
    own = {
        "model": "cnn",
        "shared_dim": d_1,
        "shared_weight": m_g,
        "own_weight": m_f,
        "projection": "kept" if kept else "fresh",
    }
    data = [blobs(2, [0, 1], seed=0, shape=(1, 8, 8)), blobs(4, [1, 2], seed=1, shape=(1, 8, 8))]

    def device(k: int, t: int) -> FakeDevice:
        return FakeDevice(*data[k], *data[k], 3, d_2, run, round_number=t, partition=k)

    half = halves.client("fedmrl", device(0, 1).task, run, **own)
    server = halves.server("fedmrl", device(0, 1).task, run, **own)
    state, states = server.start(), [half.start(device(k, 1)) for k in range(2)]
    f = [copy.deepcopy(one.model) for one in states]
    phi = [copy.deepcopy(one.projection) for one in states]
    theta = catalogue.build("cnn", device(0, 1).task, d_1, run.seed)
    for t in (1, 2):
        sent = []
        for k in range(2):
            x, y = data[k]
            g, p = copy.deepcopy(theta), phi[k] if kept else copy.deepcopy(phi[k])
            for b in torch.randperm(len(y), generator=device(k, t).generator("batches")).split(4):
                r = torch.cat([g.features(x[b]), f[k].features(x[b])], dim=1)
                z = p(r)
                y_g, y_f = g.head(z[:, :d_1]), f[k].head(z)
                loss = m_g * functional.cross_entropy(y_g, y[b])
                loss = loss + m_f * functional.cross_entropy(y_f, y[b])
                every = [*g.parameters(), *f[k].parameters(), *p.parameters()]
                gradients = torch.autograd.grad(loss, every)
                with torch.no_grad():
                    for parameter, gradient in zip(every, gradients, strict=True):
                        parameter.sub_(eta * gradient)
            sent.append(g)
        n = [len(y) for _, y in data]
        with torch.no_grad():
            for mean, *own_ones in zip(
                theta.parameters(), *(g.parameters() for g in sent), strict=True
            ):
                mean.copy_(sum(n_k / sum(n) * one for n_k, one in zip(n, own_ones, strict=True)))

        down = server.broadcast(state)
        trained = [half.train(device(k, t), states[k], down) for k in range(2)]
        for k in range(2):
            for found, expected in (
                (states[k].model, f[k]),
                (states[k].projection, phi[k]),
            ):
                torch.testing.assert_close(found.state_dict(), expected.state_dict())
        replies = [Reply(k, n[k], one.uplink) for k, one in enumerate(trained)]
        server.aggregate(state, t, replies)
        told = server.broadcast(state)
        torch.testing.assert_close(
            told.parameters, torch.cat([p.detach().flatten() for p in theta.parameters()])
        )

    # Tested: the client's head on features fused with those of the mean.
    x, _ = data[0]
    fused = phi[0](torch.cat([theta.features(x), f[0].features(x)], dim=1))
    found = half.classifier(device(0, 2), states[0], told)(x)
    torch.testing.assert_close(found, f[0].head(fused))
