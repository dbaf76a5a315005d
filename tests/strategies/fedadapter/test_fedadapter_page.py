"""FedAvg on adapters on one page: one round of two clients, in the order of McMahan et al."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from strategies.common.adapters.settings import AdapterSettings
from strategies.common.round import Reply
from strategies.common.run_config import read_table
from strategies.common.settings import RunSettings
from strategies.fedadapter.client import FedAdapterClient
from strategies.fedadapter.server import FedAdapterServer
from strategies.fedadapter.settings import FedAdapterSettings
from tests.strategies.asking_device import AskingDevice, provided, questions

Config = dict[str, bool | int | float | str]


def test_a_round_is_the_papers(config: Config, run_settings: Callable[..., RunSettings]) -> None:
    config |= {
        "adapters.learning-rate": 0.01,
        "adapters.warmup": 0.0,
        "adapters.schedule": "constant",
        "adapters.aggregation-weights": "samples",
    }
    settings = read_table(config, "fedadapter", FedAdapterSettings)
    adapters = read_table(config, "adapters", AdapterSettings)
    # One batch an epoch, so that the order of samples does not matter.
    run = run_settings(rounds=1, batch_size=8, local_epochs=2)
    devices = [AskingDevice(run, k, train=questions(n, k)) for k, n in ((0, 4), (1, 8))]
    given = provided(run, settings, adapters, devices[0].task)
    client, server = FedAdapterClient(settings, given), FedAdapterServer(settings, given)
    server_state = server.start()
    downlink = server.broadcast(server_state)
    states = [client.start(device) for device in devices]

    # The page (Algorithm 1): w = (W_down, b_down, W_up, b_up) of each block in turn.
    theta = devices[0].backbone
    uploads, n = [], []
    for device, state in zip(devices, states, strict=True):
        w = [p.detach().clone().requires_grad_() for p in state.adapter.parameters()]  # w_t
        h = [p.detach().clone().requires_grad_() for p in state.head.parameters()]
        moving = [*w, *h]
        groups = [
            {"params": [p for p in moving if p.ndim == 2], "weight_decay": 0.01},
            {"params": [p for p in moving if p.ndim == 1], "weight_decay": 0.0},
        ]
        adamw = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.98), eps=1e-8)
        x, y = device.train.inputs, device.train.labels
        read = theta.read(device.train.questions)
        hooks = []
        for block, layer in enumerate(theta.module.layers):  # type: ignore[arg-type,var-annotated]

            def add(_m: nn.Module, _i: object, z: torch.Tensor, b: int = 4 * block, w=w):  # type: ignore[no-untyped-def]
                # z <- z + W_up relu(W_down z + b_down) + b_up (Houlsby et al.)
                return z + (z @ w[b].T + w[b + 1]).relu() @ w[b + 2].T + w[b + 3]

            hooks.append(layer.register_forward_hook(add))
        for _epoch in range(2):  # ClientUpdate(k, w): w <- w - eta grad l(w; b)
            logits = theta.features(x, read.tokens, read.mask) @ h[0].T + h[1]
            adamw.zero_grad()
            functional.cross_entropy(logits, y).backward()
            adamw.step()
        for hook in hooks:
            hook.remove()
        uploads.append(torch.cat([p.detach().flatten() for p in w]))
        n.append(len(y))
    # w_{t+1} <- sum over k of n_k / n w_{t+1}^k
    averaged = n[0] / sum(n) * uploads[0] + n[1] / sum(n) * uploads[1]

    replies = []
    for k, (device, state) in enumerate(zip(devices, states, strict=True)):
        uplink = client.train(device, state, downlink).uplink
        assert uplink is not None
        torch.testing.assert_close(uplink.adapter, uploads[k])
        replies.append(Reply(k, len(device.train), uplink))
    server.aggregate(server_state, 1, replies)
    torch.testing.assert_close(server_state.shared, averaged)
