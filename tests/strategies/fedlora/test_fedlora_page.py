"""FedLoRA on one page: one round of two clients of unlike ranks, averaged as FLoRA does."""

from collections.abc import Callable

import torch
from torch.nn import functional

from strategies.common.adapters.settings import AdapterSettings
from strategies.common.round import Reply
from strategies.common.run_config import read_table
from strategies.common.settings import RunSettings
from strategies.fedlora.client import FedLoRAClient
from strategies.fedlora.server import FedLoRAServer
from strategies.fedlora.settings import FedLoRASettings
from tests.strategies.asking_device import AskingDevice, provided, questions
from tests.strategies.tiny_backbone import TinyBackbone

Config = dict[str, bool | int | float | str]
D = 8
LAYERS = [f"layers.{b}.attention.{part}" for b in (0, 1) for part in ("query", "value")]


def test_a_round_is_the_papers(config: Config, run_settings: Callable[..., RunSettings]) -> None:
    config |= {
        "adapters.learning-rate": 0.01,
        "adapters.warmup": 0.0,
        "adapters.schedule": "constant",
        "adapters.aggregation-weights": "samples",
        "fedlora.ranks": "2,3",
    }
    settings = read_table(config, "fedlora", FedLoRASettings)
    adapters = read_table(config, "adapters", AdapterSettings)
    # One batch an epoch, so that the order of samples does not matter.
    run = run_settings(rounds=1, batch_size=8, local_epochs=2)
    client = FedLoRAClient(settings, provided(run, settings, adapters))
    places = client.foundation(TinyBackbone())
    devices = [
        AskingDevice(run, k, train=questions(n, k), places=places) for k, n in ((0, 4), (1, 8))
    ]
    server = FedLoRAServer(settings, provided(run, settings, adapters, devices[0].task))
    server_state = server.start()
    states = [client.start(device) for device in devices]

    # The page: W <- W + B A (Hu et al., eq. 3), A uniform in +-1/sqrt(d), B = 0.
    factors, n = [], []
    for r, device, state in zip((2, 3), devices, states, strict=True):
        theta, draw = TinyBackbone(), device.generator("lora")
        a = [torch.empty(r, D).uniform_(-(D**-0.5), D**-0.5, generator=draw) for _ in LAYERS]
        a, b = (
            [m.requires_grad_() for m in a],
            [torch.zeros(D, r, requires_grad=True) for _ in LAYERS],
        )
        h = [p.detach().clone().requires_grad_() for p in state.head.parameters()]
        moving = [*a, *b, *h]
        groups = [
            {"params": [p for p in moving if p.ndim == 2], "weight_decay": 0.01},
            {"params": [p for p in moving if p.ndim == 1], "weight_decay": 0.0},
        ]
        adamw = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.98), eps=1e-8)
        x, y = device.train.inputs, device.train.labels
        read = theta.read(device.train.questions)
        frozen = {name: theta.module.get_submodule(name).weight for name in LAYERS}
        for _epoch in range(2):
            changed = {
                f"{name}.weight": frozen[name] + b[i] @ a[i] for i, name in enumerate(LAYERS)
            }
            features = torch.func.functional_call(
                theta.module, changed, (x, read.tokens, read.mask)
            )
            adamw.zero_grad()
            functional.cross_entropy(features @ h[0].T + h[1], y).backward()
            adamw.step()
        factors.append((a, b))
        n.append(len(y))
    # FLoRA, eqs. 5-7: A = [A_1; A_2], B = [p_1 B_1, p_2 B_2], so that B A = sum of p_k B_k A_k.
    averaged = [
        sum(n[k] / sum(n) * factors[k][1][i] @ factors[k][0][i] for k in (0, 1))
        for i in range(len(LAYERS))
    ]

    replies = []
    for k, (device, state) in enumerate(zip(devices, states, strict=True)):
        uplink = client.train(device, state, None).uplink
        assert uplink is not None
        a, b = factors[k]
        sent = torch.cat([side for i in range(len(LAYERS)) for side in (a[i], b[i].T)], 1)
        torch.testing.assert_close(uplink.factors, sent.detach(), rtol=1e-4, atol=1e-5)
        replies.append(Reply(k, len(device.train), uplink))
    server.aggregate(server_state, 1, replies)
    assert server_state.factors is not None
    columns = server_state.factors.split(D, 1)
    for i, mean in enumerate(averaged):
        found = columns[2 * i + 1].T @ columns[2 * i]
        torch.testing.assert_close(found, mean, rtol=1e-4, atol=1e-5)  # type: ignore[arg-type]
