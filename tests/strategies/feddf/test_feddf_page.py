"""One round of FedDF as straight-line code: Lin et al., NeurIPS 2020, algorithm 3."""

import math

import torch

from models import catalogue
from strategies.common import seeds
from strategies.common.architecture import Architecture
from strategies.common.inputs import Images
from strategies.common.open_data import OpenData
from strategies.common.round import Reply
from strategies.common.task import Task
from strategies.feddf.wire import Model
from tests.strategies import halves
from tests.strategies.fake_device import blobs


def test_a_round_of_feddf_agrees_with_its_page() -> None:
    steps, eta, batch = 6, 0.003, 8
    task = Task(3, Images(1, 8, 8), 8)
    d = blobs(10, [0, 1, 2], shape=(1, 8, 8))[0]
    run = halves.run_of("feddf", feature_dim=8, open_data="digits")
    own = {"distill_steps": steps, "distill_learning_rate": eta, "distill_batch_size": batch}
    server = halves.server("feddf", task, run, open_data=lambda: OpenData.of(d), **own)
    # Clients k of groups p, after their local updates, with n_k samples.
    p, n = ["cnn", "resnet4", "cnn"], [10, 20, 30]
    w = [catalogue.build(name, task, 8, seed=k) for k, name in enumerate(p)]
    replies = [Reply(k, n[k], Model.of(w[k]), Architecture.of(w[k], p[k])) for k in range(3)]

    # For each group p: initialise for model fusion, x_0 <- sum_{k in S_p} n_k / n_p x_k.
    students = {}
    for name, members in (("cnn", [0, 2]), ("resnet4", [1])):
        n_p = sum(n[k] for k in members)
        x = catalogue.build(name, task, 8, seed=9)
        with torch.no_grad():
            for key, value in x.state_dict().items():
                if value.is_floating_point():
                    value.copy_(sum(n[k] / n_p * w[k].state_dict()[key] for k in members))
        students[name] = x
    # Of all clients of the round: AVGLOGITS, 1 / |S| sum_k f(x_k, d).
    with torch.no_grad():
        avglogits = torch.stack([x_k.eval()(d) for x_k in w]).mean(0)
    # For j in 1 .. N: sample a mini-batch, and minimise KL(sigma(avglogits), sigma(f(x_j, d))).
    for x in students.values():
        key = Architecture.of(x).key
        order = seeds.generator(run.seed, f"distillation {key}", round_number=4)
        adam = torch.optim.Adam(x.parameters(), lr=eta)
        x.train()
        for j in range(steps):
            adam.param_groups[0]["lr"] = eta * (1 + math.cos(math.pi * j / steps)) / 2
            rows = torch.randperm(len(d), generator=order)[:batch]
            log_student = x(d[rows]).log_softmax(1)
            teacher = avglogits[rows].softmax(1)
            adam.zero_grad()
            (teacher * (teacher.log() - log_student)).sum(1).mean().backward()
            adam.step()

    state = server.start()
    server.aggregate(state, 4, replies)
    # Adam divides by gradients: where they are near zero, rounding moves a weight, by far less than
    # a step.
    for name, x in students.items():
        sent = server.shared(state, Architecture.of(x, name))
        torch.testing.assert_close(
            sent.parameters, Model.of(x).parameters, atol=eta / 100, rtol=1e-4
        )
        torch.testing.assert_close(
            sent.statistics, Model.of(x).statistics, atol=eta / 100, rtol=1e-4
        )
