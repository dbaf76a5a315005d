"""One round of FedKTL as straight-line code, in the paper's order: Zhang et al., CVPR 2024.

A device learns from the pairs of the round before (step 6), makes prototypes (1) and sends them
(2); the server aligns them with the generator's latent space (3), draws (4) and sends pairs (5).
"""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds
from strategies.common.round import Reply
from strategies.fedktl.wire import ImageVectorPairs
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


class LinearGenerator:
    """G_s: pixels are a fixed linear map of the latent vector."""

    latent_dim, gaussian_latents, family, image_shape = 6, False, "", (3, 4, 4)
    weight = torch.randn(6, 48, generator=torch.Generator().manual_seed(5))

    def sample_latents(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randn(count, 6, generator=generator)

    def synthesize(self, latents: Tensor) -> Tensor:
        pixels = (30 * latents @ self.weight + 128).clamp(0, 255).to(torch.uint8)
        return pixels.view(-1, 3, 4, 4)


def test_a_round_of_fedktl_agrees_with_its_page() -> None:
    # Step sizes and weights; C classes, H the width of a latent, d that of features.
    eta, eta_s, mu, lam, m, s = 0.05, 0.02, 2.0, 0.5, 0.5, 8.0
    batch, epochs, num_classes, h_dim, d = 4, 3, 3, 6, 5
    own = {
        "transfer_weight": mu, "alignment_weight": lam, "server_learning_rate": eta_s,
        "margin": m, "scale": s, "server_epochs": epochs, "server_batch_size": 4,
        "mmd_bandwidths": "stylegan", "latent_dim": h_dim, "project_centroids": "off",
    }  # fmt: skip
    run = halves.run_of("fedktl", learning_rate=eta, batch_size=batch)
    held = [[0, 1], [1, 2], [0, 1]]
    g = LinearGenerator()
    devices, clients, states, f, h = [], [], [], [], []
    for i, classes in enumerate(held):
        x, y = blobs(3, classes, shape=(3, 4, 4), seed=i)
        device = FakeDevice(
            x, y, x, y, num_classes=num_classes, feature_dim=d, settings=run, partition=i
        )
        clients.append(halves.client("fedktl", device.task, run, **own))
        state = clients[i].start(device)
        devices.append(device), states.append(state)
        f.append(copy.deepcopy(state.model.body)), h.append(copy.deepcopy(state.projection))
    server = halves.server("fedktl", devices[0].task, run, lambda: g, **own)
    server_state = server.start()
    transformer = copy.deepcopy(server_state.transformer.layers)  # F

    # Simplex ETF: V = sqrt(C / (C - 1)) U (I - 11' / C), U orthogonal with R's diagonal positive.
    a = torch.randn(3, 3, generator=seeds.generator(run.seed, "etf"), dtype=torch.float64)
    u, r = torch.linalg.qr(a)
    u = u * r.diagonal().sign()
    v = math.sqrt(3 / 2) * u @ (torch.eye(3, dtype=torch.float64) - 1 / 3)
    v = v.float()  # (K, C), column c is class c's direction

    # D_I, the pairs of the round before, in the latent space and drawn by G_s.
    q_old = torch.randn(3, h_dim, generator=torch.Generator().manual_seed(1))
    d_i = ImageVectorPairs(g.synthesize(q_old), q_old, torch.arange(3))

    # Step 6: L = L_A + mu L_M by plain SGD, on f and h, and on h', which all start alike.
    prototypes, labels = [], []
    for i, device in enumerate(devices):
        x, y = device.inputs, device.labels
        with seeds.seeded(seeds.derive(run.seed, "transfer-head")):
            h_prime = nn.Linear(d, h_dim)
        pair_order = device.generator("pairs")
        for b in torch.randperm(6, generator=device.generator("batches")).split(batch):
            cosines = functional.normalize(h[i](f[i](x[b]))) @ v
            theta = cosines.double().clamp(-1, 1).acos()
            own_class = functional.one_hot(y[b], num_classes).bool()
            logits = s * torch.where(own_class, (theta + m).cos(), theta.cos())
            l_a = functional.cross_entropy(logits, y[b])
            p = torch.randperm(3, generator=pair_order)  # three pairs are one batch
            images = d_i.images[p].float() / 127.5 - 1
            l_m = (h_prime(f[i](images)) - q_old[p]).square().mean()
            weights = [*f[i].parameters(), *h[i].parameters(), *h_prime.parameters()]
            gradients = torch.autograd.grad(l_a + mu * l_m, weights)
            with torch.no_grad():
                for weight, gradient in zip(weights, gradients, strict=True):
                    weight.sub_(eta * gradient)
        # Step 1: P_c is the direction of the mean direction of class c's projections.
        with torch.no_grad():
            projected = functional.normalize(h[i](f[i](x)))
        for c in held[i]:
            prototypes.append(functional.normalize(projected[y == c].mean(0), dim=0))
            labels.append(c)
    # Step 2: upload.
    p_all, c_all = torch.stack(prototypes), torch.tensor(labels)

    # Step 3: Adam on F and on a table that stands for the centroids between two writes.
    transformer.train()

    def centroids() -> Tensor:  # batch normalisation by the statistics of this round
        with torch.no_grad():
            first = transformer[0](p_all)
            spread = first.var(0, correction=0)
            normal = (first - first.mean(0)) / (spread + transformer[1].eps).sqrt()
            q = transformer[3]((normal * transformer[1].weight + transformer[1].bias).relu())
        return torch.stack([q[c_all == c].mean(0) for c in range(num_classes)])

    table = nn.Parameter(centroids())
    adam = torch.optim.Adam([*transformer.parameters(), table], eta_s)
    randomness = seeds.generator(run.seed, "alignment", round_number=2)
    for _ in range(epochs):
        for b in torch.randperm(6, generator=randomness).split(4):
            q = transformer(p_all[b])
            w = g.sample_latents(len(b), randomness)
            # L_MMD: all pairs of k(q, q') + k(w, w') - 2 k(q, w), k summed over four bandwidths.
            l_mmd = torch.tensor(0.0)
            for bandwidth in (10.0, 15.0, 20.0, 50.0):
                for one, two, sign in ((q, q, 1), (w, w, 1), (q, w, -2)):
                    squares = (one[:, None] - two[None]).square().sum(2)
                    l_mmd = l_mmd + sign * torch.exp(-squares / (2 * bandwidth)).mean()
            l_mse = (q - table[c_all[b]]).square().mean()
            adam.zero_grad()
            (l_mmd + lam * l_mse).backward()
            adam.step()
    q_bar = centroids()
    # Steps 4 and 5: I_c = G_s(Q_c), one pair for each class.
    images = g.synthesize(q_bar)

    replies = []
    for i, device in enumerate(devices):
        trained = clients[i].train(device, states[i], d_i)
        torch.testing.assert_close(states[i].model.body.state_dict(), f[i].state_dict())
        torch.testing.assert_close(states[i].projection.state_dict(), h[i].state_dict())
        assert trained.uplink.labels.tolist() == held[i]
        torch.testing.assert_close(trained.uplink.rows, p_all[2 * i : 2 * i + 2])
        replies.append(Reply(i, 6, trained.uplink))
        # A test sample is of the class whose direction is nearest.
        tested = clients[i].evaluate(device, states[i], d_i)
        nearest = (functional.normalize(h[i](f[i](device.inputs))) @ v).argmax(1)
        assert tested.correct == (nearest == device.labels).sum().item()
    server.aggregate(server_state, 2, replies)
    sent = server.broadcast(server_state)
    assert sent.labels.tolist() == [0, 1, 2]
    # Adam divides by small moments, which spreads the last digits.
    torch.testing.assert_close(sent.vectors, q_bar, rtol=1e-4, atol=1e-5)
    assert (sent.images.int() - images.int()).abs().max() <= 1  # a pixel may round the other way
