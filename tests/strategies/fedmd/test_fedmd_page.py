"""Two rounds of FedMD as straight-line code: Li and Wang, 2019, algorithm 1."""

import copy

import torch
from torch import Tensor
from torch.nn import functional

from strategies.common.open_data import drawn
from strategies.common.round import Reply
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def test_two_rounds_of_fedmd_agree_with_their_page() -> None:
    """Checks 42 and 43: raw logits, their weighted mean, the same public samples for all."""
    x, y = blobs(6, [0, 1, 2])
    d0, y0 = blobs(4, [0, 1, 2], seed=7)
    eta, lr, samples = 0.004, 0.05, 8
    run = halves.run_of("fedmd", learning_rate=lr, batch_size=6, open_data="digits")
    own = {
        "samples_per_round": samples,
        "distill_learning_rate": eta,
        "distill_batch_size": 4,
        "distill_epochs": 2,
        "pretrain_epochs": 3,
    }

    def device(k: int, r: int) -> FakeDevice:
        return FakeDevice(
            x, y, x, y, 3, 5, run, round_number=r, partition=k, open_inputs=d0, open_classes=y0
        )

    known = device(0, 1)
    client = halves.client("fedmd", known.task, run, **own)
    server = halves.server("fedmd", known.task, run, **own)
    states = [client.start(device(k, 1)) for k in range(2)]
    f = [copy.deepcopy(state.model) for state in states]

    # Transfer learning: each party trains on the public data D_0, then on its private D_k.
    adam = [torch.optim.Adam(w.parameters(), lr=eta) for w in f]

    def minimise(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def private(k: int, r: int) -> None:
        sgd = torch.optim.SGD(f[k].parameters(), lr=lr)
        for b in torch.randperm(18, generator=device(k, r).generator("batches")).split(6):
            minimise(functional.cross_entropy(f[k](x[b]), y[b]), sgd)

    for k in range(2):
        order = device(k, 1).generator("transfer")
        for _ in range(3):
            for b in torch.randperm(12, generator=order).split(4):
                minimise(functional.cross_entropy(f[k](d0[b]), y0[b]), adam[k])
        private(k, 1)

    # Communicate: class scores f_k(x) on a subset d_1 of D_0; aggregate: their mean.
    d1 = drawn(known.open_data.told, samples, run.seed, 1)
    consensus = (f[0](d0[d1]) + f[1](d0[d1])).detach() / 2
    state = server.start()
    trained = [client.train(device(k, 1), states[k], None) for k in range(2)]
    server.aggregate(state, 1, [Reply(k, 18, one.uplink) for k, one in enumerate(trained)])
    told = server.broadcast(state)
    torch.testing.assert_close(told.rows, consensus)
    assert trained[0].losses.keys() == {"total", "transfer"}

    # Digest: approach the consensus on d_1; revisit: train on D_k. Adam's moments went on.
    for k in range(2):
        order = device(k, 2).generator("distillation")
        for _ in range(2):
            for b in torch.randperm(samples, generator=order).split(4):
                gap = (f[k](d0[d1][b]) - consensus[b]).abs().mean()
                minimise(gap, adam[k])
        private(k, 2)
    trained = [client.train(device(k, 2), states[k], told) for k in range(2)]
    d2 = drawn(known.open_data.told, samples, run.seed, 2)
    for k in range(2):
        torch.testing.assert_close(states[k].model.state_dict(), f[k].state_dict())
        torch.testing.assert_close(trained[k].uplink.rows, f[k](d0[d2]).detach())
    assert trained[0].losses.keys() == {"total", "distillation"}
