"""Two rounds of LG-FedAvg as straight-line code: Liang et al., 2020, algorithm 1."""

import copy

import torch
from torch.nn import functional

from strategies.common.round import Reply
from strategies.lgfedavg.wire import Head
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def test_two_rounds_of_lgfedavg_agree_with_their_page() -> None:
    eta, batch, d, classes = 0.1, 4, 5, 3
    run = halves.run_of("lgfedavg", learning_rate=eta, batch_size=batch)
    data = [blobs(3, [0, 1], seed=0), blobs(5, [1, 2], seed=1)]

    def device(m: int, r: int) -> FakeDevice:
        return FakeDevice(*data[m], *data[m], classes, d, run, round_number=r, partition=m)

    half = halves.client("lgfedavg", device(0, 1).task, run)
    server = halves.server("lgfedavg", device(0, 1).task, run)
    states = [half.start(device(m, 1)) for m in range(2)]
    local = [copy.deepcopy(state.model) for state in states]  # l_m and h_m of each client
    kept = server.start()
    # The global parameters, as the server draws them.
    drawn = server.broadcast(kept).parameters
    theta = (drawn[: d * classes].view(classes, d), drawn[d * classes :])
    for r in (1, 2):
        # Line 5: clients take the global parameters over.
        sizes = [len(y) for _, y in data]
        for m, model in enumerate(local):
            with torch.no_grad():
                model.head.weight.copy_(theta[0])
                model.head.bias.copy_(theta[1])
            # Local update: both parts learn from labels.
            x, y = data[m]
            for b in torch.randperm(len(y), generator=device(m, r).generator("batches")).split(4):
                loss = functional.cross_entropy(model(x[b]), y[b])
                gradients = torch.autograd.grad(loss, list(model.parameters()))
                with torch.no_grad():
                    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                        parameter.sub_(eta * gradient)
        # Line 9: the global parameters' mean, by N_m / N.
        share = [size / sum(sizes) for size in sizes]
        theta = (
            sum(s * m.head.weight.detach() for s, m in zip(share, local, strict=True)),
            sum(s * m.head.bias.detach() for s, m in zip(share, local, strict=True)),
        )

        down = server.broadcast(kept)
        sent = [half.train(device(m, r), states[m], down).uplink for m in range(2)]
        for m in range(2):
            torch.testing.assert_close(states[m].model.state_dict(), local[m].state_dict())
        server.aggregate(kept, r, [Reply(m, sizes[m], sent[m]) for m in range(2)])
        mean = server.broadcast(kept)
        assert isinstance(mean, Head)
        torch.testing.assert_close(mean.parameters, torch.cat([theta[0].flatten(), theta[1]]))

    # Tested: a client's own features with the mean.
    tested = half.classifier(device(0, 2), states[0], mean)
    features = local[0].features(data[0][0])
    torch.testing.assert_close(tested(data[0][0]), functional.linear(features, *theta))
