"""Two rounds of FedL2G as straight-line code: Zhang et al., 2024, algorithm 1."""

import hashlib

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from strategies.common.round import Reply
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def forward(w: list[Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Features and logits of one hidden layer, from its weights."""
    features = functional.relu(functional.linear(x.flatten(1), w[0], w[1]))
    return features, functional.linear(features, w[2], w[3])


@pytest.mark.parametrize("guidance", ["feature", "logit"])
def test_two_rounds_of_fedl2g_agree_with_their_page(guidance: str) -> None:
    eta_c, eta_s, batch, d, classes = 0.1, 3.0, 4, 5, 3
    run = halves.run_of("fedl2g", learning_rate=eta_c, batch_size=batch)
    own = {"guidance": guidance, "server_learning_rate": eta_s, "warm_up_rounds": 1, "max_norm": 0}
    data = [blobs(6, [0, 1], seed=0), blobs(5, [1, 2], seed=1)]

    def device(i: int, t: int) -> FakeDevice:
        return FakeDevice(*data[i], *data[i], classes, d, run, round_number=t, partition=i)

    half = halves.client("fedl2g", device(0, 1).task, run, **own)
    server = halves.server("fedl2g", device(0, 1).task, run, **own)
    kept, states = server.start(), [half.start(device(i, 1)) for i in range(2)]
    theta = [[p.detach().clone() for p in state.model.parameters()] for state in states]
    v = kept.rows.clone()
    assert v.shape == (classes, d if guidance == "feature" else classes)

    def losses(w: list[Tensor], x: Tensor, y: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = forward(w, x)
        guided = features if guidance == "feature" else logits
        return functional.cross_entropy(logits, y), (guided - v[y]).square().mean()

    for t in (1, 2):
        pi: list[dict[int, Tensor]] = []
        for i in range(2):
            x, y = data[i]
            # The quiz: the samples with the lowest digests, salted by seed and client.
            salt = f"{run.seed}:{i}".encode()
            digests = [hashlib.blake2b(one.numpy().tobytes(), salt=salt).digest() for one in x]
            drawn = torch.tensor(sorted(range(len(y)), key=digests.__getitem__))
            quiz, study = drawn[:batch].sort().values, drawn[batch:].sort().values
            if t > 1:  # after the warm-up
                order = device(i, t).generator("batches")
                for b in torch.randperm(len(study), generator=order).split(batch):
                    w = [p.clone().requires_grad_() for p in theta[i]]
                    total = sum(losses(w, x[study[b]], y[study[b]], v))
                    theta[i] = [
                        (p - eta_c * g).detach()
                        for p, g in zip(w, torch.autograd.grad(total, w), strict=True)
                    ]
            s = study[torch.randperm(len(study), generator=device(i, t).generator("study"))[:batch]]
            w = [p.clone().requires_grad_() for p in theta[i]]
            guides = v.clone().requires_grad_()
            step = torch.autograd.grad(sum(losses(w, x[s], y[s], guides)), w, create_graph=True)
            stepped = [p - eta_c * g for p, g in zip(w, step, strict=True)]
            examined = functional.cross_entropy(forward(stepped, x[quiz])[1], y[quiz])
            (gradient,) = torch.autograd.grad(examined, guides)
            pi.append({int(c): gradient[c] for c in y[s].unique() if gradient[c].any()})
        told = v.clone()
        for c in {c for one in pi for c in one}:
            every = [one[c] for one in pi if c in one]
            v[c] = v[c] - eta_s * sum(every) / len(every)

        down = server.broadcast(kept)
        torch.testing.assert_close(down.rows, told)
        trained = [half.train(device(i, t), states[i], down) for i in range(2)]
        for i in range(2):
            assert trained[i].uplink.labels.tolist() == sorted(pi[i])
            for row, c in zip(trained[i].uplink.rows, sorted(pi[i]), strict=True):
                torch.testing.assert_close(row, pi[i][c], rtol=1e-4, atol=1e-7)
            torch.testing.assert_close(
                [p.detach() for p in states[i].model.parameters()], theta[i], rtol=1e-4, atol=1e-6
            )
        server.aggregate(kept, t, [Reply(i, 12, one.uplink) for i, one in enumerate(trained)])
        torch.testing.assert_close(kept.rows, v, rtol=1e-4, atol=1e-6)
