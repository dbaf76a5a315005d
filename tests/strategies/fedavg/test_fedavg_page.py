"""One round of FedAvg as straight-line code: McMahan et al., algorithm 1, with FedProx's term."""

import copy

import torch
from torch.nn import functional

from strategies.common.architecture import Architecture
from strategies.common.round import Reply
from strategies.fedavg.wire import Model
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def test_a_round_of_fedavg_agrees_with_its_page() -> None:
    eta, mu, batch, epochs = 0.1, 0.3, 4, 2
    run = halves.run_of("fedavg", learning_rate=eta, batch_size=batch, local_epochs=epochs)
    devices, states, clients, x, y = [], [], [], [], []
    for k in range(3):
        own_x, own_y = blobs(2 + 2 * k, [0, 1, 2], seed=k)
        device = FakeDevice(
            own_x, own_y, own_x, own_y, num_classes=3, feature_dim=5, settings=run, partition=k
        )
        clients.append(halves.client("fedavg", device.task, run, proximal_weight=mu))
        devices.append(device), states.append(clients[k].start(device))
        x.append(own_x), y.append(own_y)
    # Initialise w_0: the same for all.
    w_0 = copy.deepcopy(states[0].model)
    for state in states:
        torch.testing.assert_close(state.model.state_dict(), w_0.state_dict(), rtol=0, atol=0)
    with torch.no_grad():
        for parameter in w_0.parameters():
            parameter.mul_(0.5)

    # ClientUpdate(k, w_t): E epochs over batches of size B, by eq. 2 of FedProx.
    w = []
    for k in range(3):
        w_k, order = copy.deepcopy(w_0), devices[k].generator("batches")
        for _ in range(epochs):
            for b in torch.randperm(len(y[k]), generator=order).split(batch):
                loss = functional.cross_entropy(w_k(x[k][b]), y[k][b])
                for now, then in zip(w_k.parameters(), w_0.parameters(), strict=True):
                    loss = loss + mu / 2 * (now - then.detach()).square().sum()
                gradients = torch.autograd.grad(loss, list(w_k.parameters()))
                with torch.no_grad():
                    for parameter, gradient in zip(w_k.parameters(), gradients, strict=True):
                        parameter.sub_(eta * gradient)
        w.append(torch.cat([p.detach().flatten() for p in w_k.parameters()]))
    # w_{t+1} = sum_k n_k / n w_k.
    n = [len(own) for own in y]
    w_1 = sum(n_k / sum(n) * w_k for n_k, w_k in zip(n, w, strict=True))

    server, own = halves.server("fedavg", devices[0].task, run), Architecture.of(w_0)
    replies = []
    for k in range(3):
        trained = clients[k].train(devices[k], states[k], Model.of(w_0))
        torch.testing.assert_close(trained.uplink.parameters, w[k])
        replies.append(Reply(k, n[k], trained.uplink, own))
    state = server.start()
    server.aggregate(state, 1, replies)
    torch.testing.assert_close(server.shared(state, own).parameters, w_1)
