"""One round of SplitFed with two clients, as the paper's algorithms write it.

Thapa et al., "SplitFed: When Federated Learning Meets Split Learning",
https://arxiv.org/abs/2004.12088, algorithms 1 (server) and 2 (clients). A round is one step
here, each on one batch, so that all that the algorithms do is done once. Nothing of the
method computes; taken from the run are the weights at the start and which samples are drawn.
"""

import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from strategies.common.split import batches
from strategies.splitfed.network import split_classifier
from tests.strategies.splitfed.small_run import Settings, start, tiny_clients


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_one_round_is_what_the_paper_writes(version: str, run_settings: Settings) -> None:
    eta, eta_server = 0.1, 0.05
    clients = tiny_clients(run_settings, 2, sizes=(6, 9), learning_rate=eta)
    plain = {"momentum": 0.0, "weight_decay": 0.0, "server_learning_rate": eta_server}
    run = start(clients, version=version, steps_per_round=1, **plain)

    # At t = 0 both servers initialise their parts; every client gets W^C.
    network = split_classifier(run.split, clients[0].task, run.run.seed)
    w_server, w_client = network.back, [copy.deepcopy(network.front) for _ in clients]
    n = [6, 9]
    drawn_batches = []
    for k in (0, 1):
        drawn = batches.rows(n[k], 2, step=1, seed=run.run.seed, client=k)
        drawn_batches.append((clients[k].inputs[drawn], clients[k].labels[drawn]))

    # ClientUpdate: forward propagation of each client up to its activations a_k (smashed data),
    # which go to the main server with the labels Y_k.
    a = [w_client[k](drawn_batches[k][0]) for k in (0, 1)]
    y = [drawn_batches[k][1] for k in (0, 1)]
    smashed = [a[k].detach().requires_grad_() for k in (0, 1)]

    if version == "v1":
        # Main server, for each client in parallel: forward with W^S, the loss of Y_k and its
        # prediction, back-propagation, and d a_k for the client. Every client has a copy of W^S.
        server_copies = [copy.deepcopy(w_server) for _ in clients]
        for k in (0, 1):
            cross_entropy(server_copies[k](smashed[k]), y[k]).backward()
            for w in server_copies[k].parameters():
                w.data -= eta_server * w.grad
        # W^S_{t+1} is the mean of the copies, weighted by n_k / n.
        ends = [
            [
                sum(n[k] / 15 * w.data for k, w in enumerate(ws))
                for ws in zip(*(part.parameters() for part in server_copies), strict=True)
            ]
        ]
        d_a = [[smashed[k].grad for k in (0, 1)]]
    else:
        # V2: one client after another, in a random order, moves the one W^S. Either order of
        # two is fine; the run's is one of them.
        ends, d_a = [], []
        for order in ((0, 1), (1, 0)):
            w_s = copy.deepcopy(w_server)
            found = {}
            for k in order:
                a_k = smashed[k].detach().requires_grad_()
                w_s.zero_grad()
                cross_entropy(w_s(a_k), y[k]).backward()
                for w in w_s.parameters():
                    w.data -= eta_server * w.grad
                found[k] = a_k.grad
            ends.append([w.data for w in w_s.parameters()])
            d_a.append([found[0], found[1]])

    candidates = []
    for gradients, back in zip(d_a, ends, strict=True):
        moved = []
        for k in (0, 1):
            # ClientBackprop(d a_k): W^C_k <- W^C_k - eta * gradient.
            slopes = torch.autograd.grad(
                a[k], list(w_client[k].parameters()), gradients[k], retain_graph=True
            )
            old = w_client[k].parameters()
            moved.append([w.data - eta * g for w, g in zip(old, slopes, strict=True)])
        # Fed server: W^C_{t+1} = sum over k of n_k / n * W^C_k.
        front = [n[0] / 15 * one + n[1] / 15 * two for one, two in zip(*moved, strict=True)]
        candidates.append([torch.cat([w.flatten() for w in part]) for part in (front, back)])

    before = run.state.front.clone()
    run.play(1)
    got = run.state.front, torch.cat([w.data.flatten() for w in run.state.back.parameters()])
    assert not torch.allclose(got[0], before, atol=1e-4)
    fits = [
        all(torch.allclose(own, his, atol=1e-6) for own, his in zip(got, expected, strict=True))
        for expected in candidates
    ]
    assert fits.count(True) == 1
