"""One client's second round of a method, and its server's: what a product and a bare loop play."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, final

import torch
from torch import Tensor

from client_app.half import client_half
from client_app.profiling.message_round import MessageWorkload, NoiseDevice
from generators import build as generators
from models import catalogue
from strategies import methods
from strategies.common import seeds
from strategies.common.agreed import Need
from strategies.common.architecture import Architecture
from strategies.common.inputs import Images
from strategies.common.message import MessageClient, ModelState
from strategies.common.method import AggregatingServerHalf, AnyAggregatingHalf
from strategies.common.open_data import OpenLabels
from strategies.common.payload import Payload
from strategies.common.payloads import WholeModel
from strategies.common.round import Reply
from strategies.common.run_config import RunConfig, default_config, read_run

Value = bool | int | float | str

ROUND: Final = NoiseDevice.round_number
CLASSES: Final = 10
IMAGE: Final = Images(1, 28, 28)
# Uploads that the server takes in, of one client.
REPLIES: Final = 5
_APART: Final = 0.01


@final
@dataclass(frozen=True)
class Case:
    """Both halves as a first round left them.

    Attributes
    ----------
    client, server : MessageClient, AggregatingServerHalf
        As the apps build them.
    device : NoiseDevice
        Gives samples.
    state, server_state : ModelState, Any
        Before the second round; whoever plays it takes copies.
    down : Payload | None
        What the client receives.
    replies : Sequence[Reply]
        What the server receives in the second round.
    """

    client: MessageClient[Any, Any, Any, Any]
    server: AnyAggregatingHalf
    device: NoiseDevice
    state: ModelState
    server_state: Any
    down: Payload | None
    replies: Sequence[Reply[Any]]

    def told(self, name: str) -> Any:
        """Return a part of what the client receives."""
        return getattr(self.down, name)

    def sent(self, name: str) -> list[Tensor]:
        """Return a part of what the server receives, client by client."""
        return [getattr(reply.uplink, name) for reply in self.replies]


def trained(case: Case, state: ModelState) -> Payload | None:
    """Let the product's client learn, as the app does, and return what it sends."""
    with seeds.seeded(0):
        uplink: Payload | None = case.client.train(case.device, state, case.down).uplink
    return uplink


def case_of(
    method: str, model: str, samples: tuple[int, int], changes: Mapping[str, Value]
) -> Case:
    """Play a first round, and the client's second.

    Parameters
    ----------
    method, model : str
        Names of the method, and of the client's model.
    samples : tuple[int, int]
        To train on and to test on.
    changes : Mapping[str, Value]
        Settings that differ from the defaults.
    """
    given = {"method": method, "models": model, "device": "cpu", "server-device": "cpu"}
    config: RunConfig = {**default_config(), **given, **changes}
    device = NoiseDevice(MessageWorkload(config, model, IMAGE, CLASSES, *samples), read_run(config))
    server = _server(config, device)
    server.provided.agree(device.task)
    config = methods.resolved_config(method, config, server.resolved())
    client = client_half(read_run(config), config)
    assert isinstance(client, MessageClient)  # noqa: S101 - what such benchmarks are about
    client.provided.agree(device.task)
    server_state, state = server.start(), client.start(device)
    own = Architecture.of(state.model, model)
    first = Case(client, server, device, state, server_state, server.broadcast(server_state), ())
    for place in range(ROUND):
        down = _sent(server, server_state, own)
        first = Case(client, server, device, state, server_state, down, ())
        following = copy.deepcopy(state)
        uplink = trained(first, following)
        sent = [
            Reply(k, samples[0], _of_another(uplink, k), own)
            for k in range(REPLIES)
            if uplink is not None
        ]
        if place + 1 < ROUND:
            server.aggregate(server_state, place + 1, sent)
            state = following
    return Case(client, server, device, state, server_state, down, sent)


def _of_another(uplink: Payload, client: int) -> Payload:
    """Return an upload with other weights, where there are any.

    Models that are all alike would teach their mean nothing, in numbers too small for fast sums.
    """
    if not isinstance(uplink, WholeModel):
        return uplink
    weights = uplink.parameters
    drawn = torch.randn(len(weights), generator=torch.Generator().manual_seed(client))
    return replace(uplink, parameters=weights + _APART * drawn)


def _sent(server: AnyAggregatingHalf, state: Any, own: Architecture) -> Payload | None:
    for one in (server.broadcast(state), server.shared(state, own), server.personal(state, 0)):
        if one is not None:
            sent: Payload = one
            return sent
    return None


def _server(config: RunConfig, device: NoiseDevice) -> AnyAggregatingHalf:
    run, there = read_run(config), device.torch_device
    makers = {
        Need.MODELS: catalogue.builder(run.feature_dim),
        Need.GENERATOR: lambda: generators.build(run.generator, config, there),
        Need.OPEN_DATA: lambda: device.open_data,
        Need.OPEN_LABELS: lambda: OpenLabels(device.open_labels(""), ()),
    }
    half = methods.server_half(run.method, config, run, there, makers)
    assert isinstance(half, AggregatingServerHalf)  # noqa: S101 - of a method of messages
    return half
