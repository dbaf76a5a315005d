"""Two rounds of FedKD as straight-line code: Wu et al., 2022, algorithm 1."""

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from models import catalogue
from strategies.common.round import Reply
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p.log() - q.log())).sum(1).mean()


def approximated(vector: Tensor, shapes: list[torch.Size], energy: float) -> Tensor:
    """Each matrix by its largest singular values, as many as keep the energy (eq. 7 and 8)."""
    found = []
    for whole, shape in zip(torch.split(vector, [s.numel() for s in shapes]), shapes, strict=True):
        g = whole
        if len(shape) > 1:
            u, sigma, v = torch.linalg.svd(g.view(shape[0], -1).double(), full_matrices=False)
            k = 1
            while sigma[:k].square().sum() < energy * sigma.square().sum():
                k += 1
            if k * (u.shape[0] + v.shape[1]) < g.numel():
                g = (u[:, :k] @ torch.diag(sigma[:k]) @ v[:k]).float().flatten()
        found.append(g)
    return torch.cat(found)


@pytest.mark.parametrize("detach", [True, False])
def test_two_rounds_of_fedkd_agree_with_their_page(detach: bool) -> None:
    eta, rounds, t_start, t_end = 0.05, 2, 0.6, 0.9
    run = halves.run_of("fedkd", learning_rate=eta, batch_size=4, feature_dim=5, rounds=rounds)
    own = {"model": "cnn", "energy_start": t_start, "energy_end": t_end, "detach": detach}
    data = [blobs(2, [0, 1], seed=0, shape=(1, 8, 8)), blobs(4, [1, 2], seed=1, shape=(1, 8, 8))]

    def device(i: int, r: int) -> FakeDevice:
        return FakeDevice(*data[i], *data[i], 3, 5, run, round_number=r, partition=i)

    half = halves.client("fedkd", device(0, 1).task, run, **own)
    server = halves.server("fedkd", device(0, 1).task, run, **own)
    kept, states = server.start(), [half.start(device(i, 1)) for i in range(2)]
    mentors = [copy.deepcopy(state.model) for state in states]
    w_h = [copy.deepcopy(state.hidden) for state in states]
    globe = catalogue.build("cnn", device(0, 1).task, 5, run.seed)
    shapes = [p.shape for p in globe.parameters()]
    for r in (1, 2):
        t = t_start + (t_end - t_start) * (r - 1) / (rounds - 1)
        sent = []
        for i in range(2):
            x, y = data[i]
            student = copy.deepcopy(globe)
            for b in torch.randperm(len(y), generator=device(i, r).generator("batches")).split(4):
                h_t, h_s = mentors[i].features(x[b]), student.features(x[b])
                y_t, y_s = mentors[i].head(h_t), student.head(h_s)
                l_t, l_s = functional.cross_entropy(y_t, y[b]), functional.cross_entropy(y_s, y[b])
                scale = (l_t + l_s).detach() if detach else l_t + l_s  # eq. 1 to 4 divide by it
                p_t, p_s = y_t.softmax(1), y_s.softmax(1)
                d_t = kl(p_s.detach() if detach else p_s, p_t) / scale
                d_s = kl(p_t.detach() if detach else p_t, p_s) / scale
                hidden = functional.mse_loss(h_t, w_h[i](h_s)) / scale
                every = [*mentors[i].parameters(), *student.parameters(), *w_h[i].parameters()]
                gradients = torch.autograd.grad(l_t + l_s + d_t + d_s + hidden, every)
                with torch.no_grad():
                    for parameter, gradient in zip(every, gradients, strict=True):
                        parameter.sub_(eta * gradient)
            began = parameters_to_vector(globe.parameters()).detach()
            change = parameters_to_vector(student.parameters()).detach() - began
            sent.append(approximated(change, shapes, t))
        mean = approximated((sent[0] + sent[1]) / 2, shapes, t)
        moved = parameters_to_vector(globe.parameters()).detach() + mean
        vector_to_parameters(moved, globe.parameters())

        trained = [half.train(device(i, r), states[i], server.personal(kept, i)) for i in range(2)]
        for i in range(2):
            torch.testing.assert_close(
                states[i].model.state_dict(), mentors[i].state_dict(), rtol=1e-3, atol=1e-5
            )
            torch.testing.assert_close(states[i].hidden.weight, w_h[i].weight, rtol=1e-3, atol=1e-5)
        replies = [Reply(i, len(data[i][1]), one.uplink) for i, one in enumerate(trained)]
        said = server.aggregate(kept, r, replies)
        torch.testing.assert_close(kept.parameters, moved, rtol=1e-3, atol=1e-5)
        assert 0 < said.diagnostics["sent_up"] <= 1
