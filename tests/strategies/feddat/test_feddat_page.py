"""FedDAT on one page: one round of two clients, in the order and symbols of the paper."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from strategies.common.adapters.settings import AdapterSettings
from strategies.common.round import Reply
from strategies.common.run_config import read_table
from strategies.common.settings import RunSettings
from strategies.feddat.client import FedDATClient
from strategies.feddat.server import FedDATServer
from strategies.feddat.settings import FedDATSettings
from tests.strategies.asking_device import AskingDevice, provided, questions

Config = dict[str, bool | int | float | str]


def test_a_round_is_the_papers(config: Config, run_settings: Callable[..., RunSettings]) -> None:
    config |= {
        "adapters.learning-rate": 0.01,
        "adapters.warmup": 0.0,
        "adapters.schedule": "constant",
    }
    settings = read_table(config, "feddat", FedDATSettings)
    adapters = read_table(config, "adapters", AdapterSettings)
    run = run_settings(rounds=1, batch_size=4, local_epochs=1)
    devices = [AskingDevice(run, k, train=questions(4, k)) for k in (0, 1)]
    given = provided(run, settings, adapters, devices[0].task)
    client, server = FedDATClient(settings, given), FedDATServer(settings, given)
    server_state = server.start()
    downlink = server.broadcast(server_state)
    states = [client.start(device) for device in devices]

    # The page: theta is frozen; phi = (W_down, b_down, W_up, b_up) of each block in turn.
    theta = devices[0].backbone
    alpha = beta = 1.0
    temperature, lr, decay = 3.0, 0.01, 0.01
    uploads, own = [], []
    for device, state in zip(devices, states, strict=True):
        s = [
            p.detach().clone().requires_grad_() for p in state.frozen.parameters()
        ]  # A_s, as received
        f = [p.detach().clone() for p in s]  # its frozen copy
        c = [p.detach().clone().requires_grad_() for p in state.local.parameters()]  # A_c
        h = [p.detach().clone().requires_grad_() for p in state.head.parameters()]
        moving = [*s, *c, *h]
        groups = [
            {"params": [p for p in moving if p.ndim == 2], "weight_decay": decay},
            {"params": [p for p in moving if p.ndim == 1], "weight_decay": 0.0},
        ]
        adamw = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98), eps=1e-8)
        x, y = device.train.inputs, device.train.labels
        read = theta.read(device.train.questions)

        def logits(weighted: list[tuple[float, list[torch.Tensor]]], h=h, x=x, read=read):  # type: ignore[no-untyped-def]
            hooks = []
            for block, layer in enumerate(theta.module.layers):  # type: ignore[arg-type,var-annotated]

                def add(_m: nn.Module, _i: object, hidden: torch.Tensor, b: int = 4 * block):  # type: ignore[no-untyped-def]
                    # h <- h + sum of w (W_up relu(W_down h + b_down) + b_up)
                    return hidden + sum(
                        w * ((hidden @ p[b].T + p[b + 1]).relu() @ p[b + 2].T + p[b + 3])
                        for w, p in weighted
                    )

                hooks.append(layer.register_forward_hook(add))
            features = theta.features(x, read.tokens, read.mask)
            for hook in hooks:
                hook.remove()
            return features @ h[0].T + h[1]

        def kl(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
            p, q = (teacher / temperature).softmax(1), (student / temperature).softmax(1)
            return temperature**2 * (p * (p.log() - q.log())).sum(1).mean()

        # Section 3.3: the dual-adapter teacher is (frozen A_s + A_c) / 2.
        z_dat = logits([(0.5, f), (0.5, c)]).detach()
        z_s = logits([(1.0, s)])
        # L_s = CE(z_s, y) + alpha KL(z_dat || z_s), down A_s and the head.
        loss_s = functional.cross_entropy(z_s, y) + alpha * kl(z_s, z_dat)
        adamw.zero_grad()
        loss_s.backward()
        adamw.step()
        # L_dat = CE(z_dat, y) + beta KL(z_s || z_dat), down A_c and the head.
        z_dat = logits([(0.5, f), (0.5, c)])
        loss_dat = functional.cross_entropy(z_dat, y) + beta * kl(z_dat, z_s.detach())
        adamw.zero_grad()
        loss_dat.backward()
        adamw.step()
        uploads.append(torch.cat([p.detach().flatten() for p in s]))
        own.append(torch.cat([p.detach().flatten() for p in c]))
    # A_s <- sum over k of A_s,k / K.
    averaged = (uploads[0] + uploads[1]) / 2

    replies = []
    for k, (device, state) in enumerate(zip(devices, states, strict=True)):
        uplink = client.train(device, state, downlink).uplink
        assert uplink is not None
        torch.testing.assert_close(uplink.adapter, uploads[k])
        torch.testing.assert_close(state.local.vector(), own[k])
        replies.append(Reply(k, 4, uplink))
    server.aggregate(server_state, 1, replies)
    torch.testing.assert_close(server_state.shared, averaged)
