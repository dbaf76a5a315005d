"""One round of FedProto as straight-line code: Tan et al., AAAI 2022, algorithm 1."""

import copy

import torch
from torch.nn import functional

from strategies.common.round import Reply
from strategies.fedproto.wire import GlobalPrototypes
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def test_a_round_of_fedproto_agrees_with_its_page() -> None:
    eta, lam, batch, d = 0.1, 0.7, 4, 5
    run = halves.run_of("fedproto", learning_rate=eta, batch_size=batch)
    classes = [[0, 1], [1, 2], [0, 1]]  # C_i: nobody holds class 3
    x, y, devices, states, w = [], [], [], [], []
    for i, held in enumerate(classes):
        own_x, own_y = blobs(3 + i, held, seed=i)
        test_x, test_y = blobs(2, held, seed=10 + i)
        device = FakeDevice(
            own_x, own_y, test_x, test_y, num_classes=4, feature_dim=d, settings=run, partition=i
        )
        half = halves.client("fedproto", device.task, run, proto_weight=lam)
        state = half.start(device)
        x.append(own_x), y.append(own_y), devices.append(device), states.append(state)
        w.append(copy.deepcopy(state.model))
    server = halves.server("fedproto", devices[0].task, run, aggregation="counts")
    # The global prototypes of the round before: classes 0 and 1 have one.
    c_bar = torch.tensor([[1.0, 0.0, 2.0, 0.5, 0.0], [0.0, 1.5, 0.0, 0.5, 1.0]])
    down = GlobalPrototypes(c_bar, torch.tensor([0, 1]))

    # Local update (line 7 and after): minimise eq. 7 over the batches of one epoch.
    c, sizes, losses = [], [], []
    for i in range(3):
        total = 0.0
        for b in torch.randperm(len(y[i]), generator=devices[i].generator("batches")).split(batch):
            features = w[i].pool(w[i].body(x[i][b]))  # f_i(phi_i; x)
            l_s = functional.cross_entropy(w[i].head(features), y[i][b])
            # Eq. 8 for a batch: each sample and its class's prototype, mean squares; without
            # a prototype a sample adds nothing and counts.
            l_r = torch.tensor(0.0)
            for feature, label in zip(features, y[i][b].tolist(), strict=True):
                if label in (0, 1):
                    l_r = l_r + (feature - c_bar[label]).square().sum() / (len(b) * d)
            loss = l_s + lam * l_r
            gradients = torch.autograd.grad(loss, list(w[i].parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(w[i].parameters(), gradients, strict=True):
                    parameter.sub_(eta * gradient)
            total += loss.item() * len(b)
        losses.append(total / len(y[i]))
        # Eq. 3: C_i^(j) is the mean feature of class j, after training.
        with torch.no_grad():
            features = w[i].pool(w[i].body(x[i]))
        c.append({j: features[y[i] == j].mean(0) for j in classes[i]})
        sizes.append({j: int((y[i] == j).sum()) for j in classes[i]})
    # Eq. 6 over the holders N_j of each class, weighed by |D_i,j| / N_j.
    c_new = []
    for j in (0, 1, 2):
        holders = [i for i in range(3) if j in classes[i]]
        n_j = sum(sizes[i][j] for i in holders)
        c_new.append(sum(sizes[i][j] / n_j * c[i][j] for i in holders))

    replies = []
    for i, device in enumerate(devices):
        half = halves.client("fedproto", device.task, run, proto_weight=lam)
        trained = half.train(device, states[i], down)
        torch.testing.assert_close(states[i].model.state_dict(), w[i].state_dict())
        torch.testing.assert_close(trained.losses["total"], losses[i])
        assert trained.uplink.labels.tolist() == classes[i]
        torch.testing.assert_close(trained.uplink.rows, torch.stack(list(c[i].values())))
        replies.append(Reply(i, len(y[i]), trained.uplink))
    state = server.start()
    server.aggregate(state, 2, replies)
    sent = server.broadcast(state)
    assert sent.labels.tolist() == [0, 1, 2]
    torch.testing.assert_close(sent.rows, torch.stack(c_new))

    # Eq. 4, with what the round has made: the class of the nearest prototype among those of the
    # client's own task, as in the authors' code, or among all; of what came before, class 2 has
    # none and takes the client's.
    for i, device in enumerate(devices):
        with torch.no_grad():
            features = w[i].pool(w[i].body(device.test_inputs))
        before = {0: c_bar[0], 1: c_bar[1], **({2: c[i][2]} if 2 in classes[i] else {})}
        for downlink, known in ((sent, dict(enumerate(c_new))), (down, before)):
            for test_classes, chosen in (("own", classes[i]), ("all", list(known))):
                half = halves.client("fedproto", device.task, run, test_classes=test_classes)
                distances = [(features - known[j]).norm(dim=1) for j in chosen]
                y_hat = torch.tensor(chosen)[torch.stack(distances, 1).argmin(1)]
                tested = half.evaluate(device, states[i], downlink)
                assert tested.correct == (y_hat == device.test_labels).sum().item()
