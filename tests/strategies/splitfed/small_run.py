"""A whole SplitFed run over the fake link: tiny clients, real halves."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any, Literal, final

import torch

from strategies.common.agreed import Need
from strategies.common.provided import Provided
from strategies.common.round import Aggregated, Reply, Trained
from strategies.common.run_config import default_config, read_table
from strategies.common.settings import RunSettings
from strategies.common.split.halves import Assessment, SplitRound
from strategies.common.split.plan import Plan
from strategies.common.split.settings import SplitSettings
from strategies.splitfed.client import SplitFedClient
from strategies.splitfed.engine import SplitFedEngine
from strategies.splitfed.members import SplitFedState
from strategies.splitfed.server import SplitFedServer, SplitFedServerState
from strategies.splitfed.settings import SplitFedSettings
from strategies.splitfed.wire import SplitFedModels
from tests.strategies.common.split.fake_link import FakeHub, FakeNode, run_nodes
from tests.strategies.fake_device import FakeDevice, blobs

Settings = Callable[..., RunSettings]
_SHAPE = (1, 8, 8)

Replies = dict[int, Trained[SplitFedModels]]


def chosen(**overrides: object) -> SplitFedSettings:
    """Return the defaults with some settings replaced, by Python name."""
    named = {f"splitfed.{key.replace('_', '-')}": value for key, value in overrides.items()}
    config: dict[str, Any] = {**default_config(), **named}
    return read_table(config, "splitfed", SplitFedSettings)


def tiny_split(
    *, cohorts: int = 1, fronts: Literal["batched", "sequential"] = "sequential"
) -> SplitSettings:
    """Return a small network: ResNet-18 of width 4, cut after its first block."""
    tiny: dict[str, object] = {"network": "resnet18", "width": 4, "cut": 2}
    split = read_table(default_config(), "split", SplitSettings)
    return split.model_copy(update={**tiny, "cohorts": cohorts, "fronts": fronts})


def tiny_clients(
    run_settings: Settings, count: int, *, sizes: Collection[int] = (6,), **overrides: object
) -> list[FakeDevice]:
    """Return clients of three classes with images of 8 by 8 pixels.

    Sizes are dealt in turn; a client has as many samples.
    """
    settings = run_settings(**{"batch_size": 2, "server_device": "cpu", **overrides})
    test_inputs, test_labels = blobs(2, (0, 1, 2), shape=_SHAPE, seed=99)
    made = []
    for client in range(count):
        size = list(sizes)[client % len(sizes)]
        inputs, labels = blobs(-(-size // 3), (0, 1, 2), shape=_SHAPE, seed=client)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(client))[:size]
        train = inputs[order], labels[order]
        made.append(FakeDevice(*train, test_inputs, test_labels, 3, 8, settings, partition=client))
    return made


@final
@dataclass
class SmallRun:
    """Both halves with their states; ``carried`` clients live on each node."""

    clients: list[FakeDevice]
    settings: SplitFedSettings
    split: SplitSettings
    carried: int
    said: list[Aggregated] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.run = self.clients[0].settings.model_copy(update={"clients_per_node": self.carried})
        self.clients = [replace(client, settings=self.run) for client in self.clients]
        self.server = SplitFedServer(self.settings, self._provided())
        self.client = SplitFedClient(self.settings, self._provided())
        self.state: SplitFedServerState = self.server.start()
        self.nodes = range(len(self.clients) // self.carried)
        self.states = [SplitFedState() for _ in self.nodes]

    def exchange(self, round_number: int, late: Collection[tuple[int, int, int]] = ()) -> Replies:
        """Play one round up to, and without, aggregation; replies by node."""
        plan = self.server.plan(self.state, round_number, self.nodes)
        engine = self.server.engine(self.state, plan)
        hub = self.hub(engine, plan, late)
        self.current = SplitRound(round_number, plan, engine)
        downlink = self.server.broadcast(self.state)
        seated = [node for node in self.nodes if any(plan.seats(node, self.carried))]

        def turn(node: int) -> Callable[[], Trained[SplitFedModels]]:
            device = self.node(hub, node, round_number)
            return lambda: self.client.train(device, self.states[node], downlink)

        return dict(zip(seated, run_nodes([turn(node) for node in seated]), strict=True))

    def play(self, round_number: int, late: Collection[tuple[int, int, int]] = ()) -> Replies:
        """Play one round."""
        replies = self.exchange(round_number, late)
        self.aggregate(round_number, replies)
        return replies

    def aggregate(self, round_number: int, replies: Replies) -> None:
        """Check and take in replies."""
        assert self.current.number == round_number
        sent = [self.reply(node, own.uplink) for node, own in replies.items() if own.uplink]
        for reply in sent:
            self.server.check(self.state, self.current, reply)
        self.said.append(self.server.aggregate(self.state, self.current, sent))

    def reply(self, node: int, uplink: SplitFedModels) -> Reply[SplitFedModels]:
        """Return an upload as the server half gets it."""
        return Reply(node, int(uplink.samples.sum()), uplink)

    def survey(self, round_number: int) -> Assessment | None:
        """Evaluate, if the round is one after which it is due."""
        plan = self.server.survey_plan(round_number, self.nodes)
        if plan is None:
            return None
        engine = self.server.engine(self.state, plan)
        hub = self.hub(engine, plan)
        downlink = self.server.broadcast(self.state)
        for node in self.nodes:
            device = self.node(hub, node, round_number)
            self.client.evaluate(device, self.states[node], downlink)
        return self.server.assess(self.state, round_number, engine)

    def hub(
        self, engine: SplitFedEngine, plan: Plan, late: Collection[tuple[int, int, int]] = ()
    ) -> FakeHub:
        """Open a session."""
        seats = {node: plan.seats(node, self.carried) for node in self.nodes}
        return FakeHub(
            engine, plan, lambda clients: self.server.frames(clients, plan.batch), seats, late
        )

    def node(self, hub: FakeHub, node: int, round_number: int) -> FakeNode:
        """Return one node in one round."""
        first = node * self.carried
        own = self.clients[first : first + self.carried]
        return FakeNode(
            tuple(replace(client, round_number=round_number) for client in own), hub.link(node)
        )

    def _provided(self) -> Provided:
        """Return what one half gets from the core."""
        tables = {Need.SPLIT: self.split}
        provided = Provided(self.run, self.settings, torch.device("cpu"), tables)
        provided.agree(self.clients[0].task)
        return provided


def start(
    clients: list[FakeDevice],
    *,
    carried: int = 0,
    cohorts: int = 1,
    fronts: Literal["batched", "sequential"] = "sequential",
    **settings: object,
) -> SmallRun:
    """Start a run; by default all clients live on one node."""
    split = tiny_split(cohorts=cohorts, fronts=fronts)
    return SmallRun(clients, chosen(**settings), split, carried or len(clients))
