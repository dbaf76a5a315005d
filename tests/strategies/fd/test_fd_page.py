"""One round of FD as straight-line code: Jeong et al., 2018, algorithm 1."""

import copy

import torch
from torch.nn import functional

from strategies.common.round import Reply
from strategies.fd.wire import Teacher
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def test_a_round_of_fd_agrees_with_its_page() -> None:
    eta, gamma, batch, labels = 0.1, 0.6, 4, 3
    run = halves.run_of("fd", learning_rate=eta, batch_size=batch)
    held = [[0, 1, 2], [0, 1, 2], [0, 1, 2]]
    x, y, devices, states, w, clients = [], [], [], [], [], []
    for i, classes in enumerate(held):
        own_x, own_y = blobs(2 + 2 * i, classes, seed=i)
        device = FakeDevice(
            own_x, own_y, own_x, own_y, num_classes=labels, feature_dim=5, settings=run, partition=i
        )
        clients.append(halves.client("fd", device.task, run, distillation_weight=gamma))
        state = clients[i].start(device)
        x.append(own_x), y.append(own_y), devices.append(device), states.append(state)
        w.append(copy.deepcopy(state.model))
    server = halves.server("fd", devices[0].task, run)
    # F_hat of the round before, by ground truth l; the same for all keeps the case small.
    f_hat = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    down = Teacher(f_hat, torch.arange(labels))

    # Local training phase: for steps 1 ... K, over batches B.
    f_bar = []
    for i in range(3):
        summed, counts = torch.zeros(labels, labels), torch.zeros(labels)
        for b in torch.randperm(len(y[i]), generator=devices[i].generator("batches")).split(batch):
            logits = w[i](x[i][b])
            phi = functional.cross_entropy(logits, y[i][b])
            gamma_phi = functional.cross_entropy(logits, f_hat[y[i][b]])
            gradients = torch.autograd.grad(phi + gamma * gamma_phi, list(w[i].parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(w[i].parameters(), gradients, strict=True):
                    parameter.sub_(eta * gradient)
            # F_k,l <- F_k,l + F(w, a); cnt_k,l <- cnt_k,l + 1, of the pass that was learnt from.
            for f, label in zip(logits.detach().softmax(1), y[i][b].tolist(), strict=True):
                summed[label] += f
                counts[label] += 1
        f_bar.append(summed / counts[:, None])
    # Global ensembling phase: F_hat_k,l = (F_bar_l - F_bar_k,l) / (M - 1).
    everyone = torch.stack(f_bar).sum(0)
    f_hat_new = [(everyone - own) / (3 - 1) for own in f_bar]

    replies = []
    for i, device in enumerate(devices):
        trained = clients[i].train(device, states[i], down)
        torch.testing.assert_close(states[i].model.state_dict(), w[i].state_dict())
        torch.testing.assert_close(trained.uplink.rows, f_bar[i])
        replies.append(Reply(i, len(y[i]), trained.uplink))
    state = server.start()
    server.aggregate(state, 2, replies)
    for i in range(3):
        sent = server.personal(state, i)
        assert sent.labels.tolist() == [0, 1, 2]
        torch.testing.assert_close(sent.rows, f_hat_new[i])
