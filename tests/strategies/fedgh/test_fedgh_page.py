"""A round of FedGH as straight-line code: Yi et al., ACM MM 2023, algorithm 1."""

import copy

import torch
from torch.nn import functional

from strategies.common import seeds
from strategies.common.round import Reply
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def test_a_round_of_fedgh_agrees_with_its_page() -> None:
    eta, eta_theta, batch, server_batch, d = 0.1, 0.05, 4, 3, 5
    run = halves.run_of("fedgh", learning_rate=eta, batch_size=batch)
    own = {"server_epochs": 2, "server_batch_size": server_batch, "server_learning_rate": eta_theta}
    held = [[0, 1], [1, 2], [0, 2]]
    data = [blobs(3 + k, held[k], seed=k) for k in range(3)]
    devices = [
        FakeDevice(*data[k], *data[k], num_classes=3, feature_dim=d, settings=run, partition=k)
        for k in range(3)
    ]
    half = halves.client("fedgh", devices[0].task, run, **own)
    server = halves.server("fedgh", devices[0].task, run, **own)
    kept, states = server.start(), [half.start(device) for device in devices]
    theta = server.broadcast(kept)  # the global header of the last round
    w, b = theta.parameters[: 3 * d].view(3, d).clone(), theta.parameters[3 * d :].clone()

    # Clients: w_k is the extractor with the global header; then the mean of each class.
    means, labels = [], []
    for k, device in enumerate(devices):
        model = copy.deepcopy(states[k].model)
        with torch.no_grad():
            model.head.weight.copy_(w)
            model.head.bias.copy_(b)
        x, y = data[k]
        for part in torch.randperm(len(y), generator=device.generator("batches")).split(batch):
            loss = functional.cross_entropy(model(x[part]), y[part])
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                    parameter.sub_(eta * gradient)
        with torch.no_grad():
            features = model.features(x)
        means += [features[y == s].mean(0) for s in held[k]]
        labels += held[k]

    # Server: the header learns the means, with eta_theta.
    r, y = torch.stack(means), torch.tensor(labels)
    order = seeds.generator(run.seed, "head", round_number=1)
    w.requires_grad_(), b.requires_grad_()
    for _ in range(2):
        for part in torch.randperm(6, generator=order).split(server_batch):
            loss = functional.cross_entropy(r[part] @ w.T + b, y[part])
            to_w, to_b = torch.autograd.grad(loss, [w, b])
            with torch.no_grad():
                w -= eta_theta * to_w
                b -= eta_theta * to_b

    sent = [half.train(device, states[k], theta).uplink for k, device in enumerate(devices)]
    torch.testing.assert_close(torch.cat([one.rows for one in sent]), r)
    assert torch.cat([one.labels for one in sent]).tolist() == labels
    said = server.aggregate(kept, 1, [Reply(k, len(data[k][1]), sent[k]) for k in range(3)])
    after = server.broadcast(kept).parameters
    torch.testing.assert_close(after, torch.cat([w.detach().flatten(), b.detach()]))
    right = ((r @ w.T + b).argmax(1) == y).double().mean().item()
    assert abs(said.diagnostics["head_right"] - right) < 1e-6
