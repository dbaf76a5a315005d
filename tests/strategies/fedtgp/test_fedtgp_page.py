"""A round of FedTGP as straight-line code: Zhang et al., AAAI 2024, algorithm 1."""

import copy

import torch
from torch.nn import functional

from strategies.common import seeds
from strategies.common.round import Reply
from strategies.fedtgp.wire import GlobalPrototypes
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def test_a_round_of_fedtgp_agrees_with_its_page() -> None:
    eta, eta_s, lam, batch, d, tau, epochs = 0.1, 0.02, 0.7, 4, 5, 100.0, 3
    run = halves.run_of("fedtgp", learning_rate=eta, batch_size=batch)
    own = {
        "proto_weight": lam,
        "server_epochs": epochs,
        "server_batch_size": 2,
        "server_learning_rate": eta_s,
        "largest_margin": tau,
    }
    held = [[0, 1], [1, 2], [0, 1]]  # nobody holds class 3
    data = [blobs(3 + i, held[i], seed=i) for i in range(3)]
    devices = [
        FakeDevice(*data[i], *data[i], num_classes=4, feature_dim=d, settings=run, partition=i)
        for i in range(3)
    ]
    half = halves.client("fedtgp", devices[0].task, run, **own)
    server = halves.server("fedtgp", devices[0].task, run, **own)
    kept, states = server.start(), [half.start(device) for device in devices]
    learner = copy.deepcopy(kept.prototypes)
    down = GlobalPrototypes(torch.linspace(-1, 1, 10).view(2, 5), torch.tensor([0, 1]))

    # Clients: eq. 3 and 4, towards the global prototypes; then their own, of the trained model.
    prototypes: list[dict[int, torch.Tensor]] = []
    for i, device in enumerate(devices):
        w = copy.deepcopy(states[i].model)
        x, y = data[i]
        for b in torch.randperm(len(y), generator=device.generator("batches")).split(batch):
            features = w.features(x[b])
            loss = functional.cross_entropy(w.head(features), y[b])
            for feature, label in zip(features, y[b].tolist(), strict=True):
                if label in (0, 1):
                    gap = (feature - down.rows[label]).square().sum()
                    loss = loss + lam * gap / (len(b) * d)
            gradients = torch.autograd.grad(loss, list(w.parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(w.parameters(), gradients, strict=True):
                    parameter.sub_(eta * gradient)
        with torch.no_grad():
            features = w.features(x)
        prototypes.append({c: features[y == c].mean(0) for c in held[i]})

    # Server: eq. 6 and 7, the margin between the classes' means over their holders.
    q = [torch.stack([p[c] for p in prototypes if c in p]).mean(0) for c in range(3)]
    delta = min(max(float((q[c] - q[e]).norm()) for c in range(3) for e in range(c)), tau)
    # Eq. 5 for every client's prototype, with plain steps.
    every = [(c, p[c]) for p in prototypes for c in p]
    order = seeds.generator(run.seed, "prototypes", round_number=2)
    for _ in range(epochs):
        for b in torch.randperm(len(every), generator=order).split(2):
            p_hat = learner(torch.arange(3))
            loss = torch.tensor(0.0)
            for place in b.tolist():
                c, row = every[place]
                gap = torch.stack([(row - p_hat[e]).norm() for e in range(3)])
                gap = gap + delta * functional.one_hot(torch.tensor(c), 3)
                loss = loss - torch.log(torch.exp(-gap[c]) / torch.exp(-gap).sum())
            gradients = torch.autograd.grad(loss / len(b), list(learner.parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(learner.parameters(), gradients, strict=True):
                    parameter.sub_(eta_s * gradient)

    sent = [half.train(device, states[i], down).uplink for i, device in enumerate(devices)]
    for i, one in enumerate(sent):
        assert one.labels.tolist() == held[i]
        torch.testing.assert_close(one.rows, torch.stack(list(prototypes[i].values())))
    said = server.aggregate(kept, 2, [Reply(i, len(data[i][1]), sent[i]) for i in range(3)])
    assert abs(said.diagnostics["margin"] - delta) < 1e-5
    told = server.broadcast(kept)
    assert told.labels.tolist() == [0, 1, 2]
    torch.testing.assert_close(told.rows, learner(torch.arange(3)).detach(), rtol=1e-4, atol=1e-5)
