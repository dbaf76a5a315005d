"""Two steps of MocoSFL with three clients and their synchronisation, as straight-line code.

Li et al., "MocoSFL: enabling cross-client collaborative self-supervised learning", ICLR 2023,
https://openreview.net/forum?id=2QGJXyMNoPz: algorithm 1 for the exchange, He et al., "Momentum
Contrast" (CVPR 2020), eq. 1 and 2 for contrast and momentum, in the order of the reference code.
Nothing of the method computes; taken from the run are the weights at the start, which samples
are drawn, and their views.
"""

import copy
import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from strategies.common import seeds
from strategies.common.settings import RunSettings
from strategies.common.split import batches
from strategies.common.split.augment import Augmentation, apply, draw
from strategies.common.split.networks.of_run import whole_network
from strategies.common.split.settings import SplitSettings
from strategies.mocosfl.settings import MocoSFLSettings
from tests.strategies.mocosfl.small_pool import SmallPool, tiny_clients


def flat(parameters: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([w.detach().flatten() for w in parameters])


def test_two_steps_and_their_synchronisation_are_what_the_paper_writes(
    mocosfl_settings: Callable[..., MocoSFLSettings],
    small_split: Callable[..., SplitSettings],
    run_settings: Callable[..., RunSettings],
) -> None:
    # b samples of each of N clients, K keys of width D in the memory, temperature T, momentum tau.
    n, b, k_size, d, temperature, tau = 3, 2, 20, 6, 0.2, 0.9
    eta_0, mu, decay, steps, rounds = 0.05, 0.8, 0.01, 2, 2
    run = run_settings(rounds=rounds, clients_per_node=n, server_device="cpu")
    # The last maps of 8 pixels would be one pixel, whose normalisation magnifies rounding.
    clients = tiny_clients(n, run, side=16)
    settings = mocosfl_settings(
        batch=b, memory_size=k_size, projection_hidden=8, projection_dim=d, ema=tau,
        temperature=temperature, learning_rate=eta_0, client_learning_rate=eta_0, momentum=mu,
        weight_decay=decay, steps_per_round=steps, merge_passes=False,
    )  # fmt: skip
    pool = SmallPool(settings, run, small_split(), clients)

    # All clients start from one model C; every momentum copy equals what it follows.
    c = [copy.deepcopy(whole_network(pool.split, pool.task, run.seed).front) for _ in range(n)]
    c_bar = [copy.deepcopy(model) for model in c]
    s_body, s_head = copy.deepcopy(pool.state.online.back), copy.deepcopy(pool.state.online.head)
    s, s_bar = nn.Sequential(s_body, s_head), copy.deepcopy(nn.Sequential(s_body, s_head))
    q_memory = pool.state.memory.rows.clone()  # Q: (K, D) unit vectors
    oldest, losses = 0, []
    v_c = [[torch.zeros_like(w) for w in model.parameters()] for model in c]
    v_s = [torch.zeros_like(w) for w in s.parameters()]
    w_0 = flat(list(c[0].parameters()))

    for t in range(1, steps + 1):
        # Two views of each sample: the query view x_q and the key view x_k.
        x_q, x_k = [], []
        how = Augmentation("mocov2", settings.min_crop, settings.flip)
        for i in range(n):
            rows = batches.rows(len(clients[i].train), b, step=t, seed=run.seed, client=i)
            drawn = seeds.generator(run.seed, "views", round_number=t, partition=i)
            numbers = draw(2 * b, how, drawn)
            x_q.append(apply(clients[i].inputs[rows], numbers[:b], how))
            x_k.append(apply(clients[i].inputs[rows], numbers[b:], how))

        # Clients: the query view passes C_i; C-bar_i follows (eq. 2); the key view passes it.
        a_q = [c[i](x_q[i]) for i in range(n)]
        a_k = []
        with torch.no_grad():
            for i in range(n):
                for slow, fast in zip(c_bar[i].parameters(), c[i].parameters(), strict=True):
                    slow.lerp_(fast, 1 - tau)  # tau * slow + (1 - tau) * fast
                a_k.append(c_bar[i](x_k[i]))

        # Both go up; the server takes those of all clients for one batch. S-bar follows S as it
        # is before this step's update.
        up_q, up_k = torch.cat(a_q).detach().requires_grad_(), torch.cat(a_k)
        with torch.no_grad():
            for slow, fast in zip(s_bar.parameters(), s.parameters(), strict=True):
                slow.lerp_(fast, 1 - tau)  # tau * slow + (1 - tau) * fast

        # InfoNCE (eq. 1): tell each query q from all keys Q in the memory but its own key k.
        zero = torch.zeros(n * b, dtype=torch.int64)
        q = functional.normalize(s(up_q))
        with torch.no_grad():
            k = functional.normalize(s_bar(up_k))
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ q_memory.T], 1) / temperature
        loss = functional.cross_entropy(logits, zero)
        # Symmetric: the views change places at the server alone, so that clients get nothing
        # of this term.
        q_2 = functional.normalize(s(up_k))
        with torch.no_grad():
            k_2 = functional.normalize(s_bar(up_q))
        logits = torch.cat([(q_2 * k_2).sum(1, keepdim=True), q_2 @ q_memory.T], 1) / temperature
        loss = loss + functional.cross_entropy(logits, zero)
        losses.append(loss.item())
        slopes = torch.autograd.grad(loss, [up_q, *s.parameters()])

        # The keys of both terms replace the oldest in Q.
        for key in (*k, *k_2):
            q_memory[oldest % k_size] = key
            oldest += 1

        # S moves: SGD with momentum and weight decay, its step size by a cosine of the run.
        eta = eta_0 * (1 + math.cos(math.pi * (t - 1) / (rounds * steps))) / 2
        with torch.no_grad():
            for w, g, v in zip(s.parameters(), slopes[1:], v_s, strict=True):
                v.mul_(mu).add_(g.add(w, alpha=decay))  # mu * v + g + decay * w
                w.sub_(v, alpha=eta)

        # The gradient of the query activations goes down, and every C_i moves likewise.
        for i in range(n):
            down = slopes[0][i * b : (i + 1) * b]
            own = torch.autograd.grad(a_q[i], list(c[i].parameters()), down)
            with torch.no_grad():
                for w, g, v in zip(c[i].parameters(), own, v_c[i], strict=True):
                    v.mul_(mu).add_(g.add(w, alpha=decay))  # mu * v + g + decay * w
                    w.sub_(v, alpha=eta)

    # Synchronisation: C is the plain mean over the pool; C-bar_i stay where they are. Eq. 4: the
    # mean distance of a client's model from the mean.
    w_c = [flat(list(model.parameters())) for model in c]
    mean = sum(w_c) / n
    divergence = sum(float((w - mean).norm()) for w in w_c) / n

    said = pool.play(1)
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(pool.state.front, mean, **close)
    assert float((mean - w_0).norm()) > 1e-3  # it has moved
    torch.testing.assert_close(pool.weights(), flat(list(s.parameters())), **close)
    follower = flat(list(pool.state.momentum.parameters()))
    torch.testing.assert_close(follower, flat(list(s_bar.parameters())), **close)
    torch.testing.assert_close(pool.state.memory.rows, q_memory, **close)
    kept = pool.private[0].momentum
    assert kept is not None
    for i in range(n):
        torch.testing.assert_close(kept[i], flat(list(c_bar[i].parameters())), **close)
    assert abs(said.diagnostics["client_divergence"] - divergence) < 1e-4
    assert abs(said.diagnostics["loss"] - sum(losses) / steps) < 1e-5
