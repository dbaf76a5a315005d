"""A federation of MocoSFL in one process: both halves, the fake stream, and tiny clients."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import torch
from torch import Tensor

from strategies.common.agreed import Need
from strategies.common.provided import Provided
from strategies.common.round import Aggregated, Reply
from strategies.common.settings import RunSettings
from strategies.common.split.halves import Assessment, SplitRound
from strategies.common.split.plan import Plan
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.mocosfl.client import MocoSFLClient
from strategies.mocosfl.engine import MocoSFLEngine
from strategies.mocosfl.private import MocoSFLClientState
from strategies.mocosfl.server import MocoSFLServer
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.wire import MocoSFLModels
from tests.strategies.common.split.fake_link import FakeHub, FakeNode, run_nodes
from tests.strategies.fake_device import FakeDevice, blobs

SIDE = 8
CLASSES = 3


def tiny_clients(
    count: int, run: RunSettings, *, per_class: int = 3, side: int = SIDE
) -> list[FakeDevice]:
    """Return logical clients with images of their own, all classes each."""
    clients = []
    for client in range(count):
        shape = (1, side, side)
        inputs, labels = blobs(per_class, range(CLASSES), shape=shape, seed=client)
        tests, test_labels = blobs(2, range(CLASSES), shape=shape, seed=1000 + client)
        clients.append(
            FakeDevice(
                (inputs / 4).clamp(-1, 1),
                labels,
                (tests / 4).clamp(-1, 1),
                test_labels,
                CLASSES,
                0,
                run,
                partition=client,
            )
        )
    return clients


def replies_of(uplinks: Mapping[int, MocoSFLModels | None]) -> list[Reply[MocoSFLModels]]:
    """Return uploads as the server half gets them."""
    return [Reply(node, 1, own) for node, own in sorted(uplinks.items()) if own is not None]


@final
@dataclass
class SmallPool:
    """Plays rounds; node p carries ``clients_per_node`` of the clients.

    Attributes
    ----------
    settings, run, split : MocoSFLSettings, RunSettings, SplitSettings
        As in a run.
    clients : Sequence[FakeDevice]
        All logical clients, ascending.
    """

    settings: MocoSFLSettings
    run: RunSettings
    split: SplitSettings
    clients: Sequence[FakeDevice]
    private: dict[int, MocoSFLClientState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server = MocoSFLServer(self.settings, self._provided())
        self.half = MocoSFLClient(self.settings, self._provided())
        self.state = self.server.start()

    @property
    def task(self) -> Task:
        return self.clients[0].task

    @property
    def nodes(self) -> range:
        return range(len(self.clients) // self.run.clients_per_node)

    def exchange(
        self, round_number: int, late: Collection[tuple[int, int, int]] = ()
    ) -> Mapping[int, MocoSFLModels | None]:
        """Play a round up to aggregation and return the replies, checked."""
        plan = self.server.plan(self.state, round_number, list(self.nodes))
        engine = self.server.engine(self.state, plan)
        self.current = SplitRound(round_number, plan, engine)
        hub = self._hub(engine, plan, late)
        downlink = self.server.broadcast(self.state)
        seated = [node for node in self.nodes if any(self._seats(plan, node))]

        def train(node: int) -> MocoSFLModels | None:
            device = self._node(hub, node, round_number)
            state = self.private.setdefault(node, self.half.start(device))
            trained = self.half.train(device, state, downlink)
            assert (trained.uplink is None) == self.settings.frozen
            return trained.uplink

        replies = run_nodes([lambda node=node: train(node) for node in seated])
        uplinks = dict(zip(seated, replies, strict=True))
        for reply in replies_of(uplinks):
            self.server.check(self.state, self.current, reply)
        return uplinks

    def play(self, round_number: int, late: Collection[tuple[int, int, int]] = ()) -> Aggregated:
        """Play a round to its end."""
        uplinks = self.exchange(round_number, late)
        return self.server.aggregate(self.state, self.current, replies_of(uplinks))

    def survey(self, round_number: int) -> Assessment | None:
        """Evaluate after a round, where the server asks for it."""
        plan = self.server.survey_plan(round_number, list(self.nodes))
        if plan is None:
            return None
        engine = self.server.engine(self.state, plan)
        hub = self._hub(engine, plan, ())
        downlink = self.server.broadcast(self.state)
        for node in self.nodes:
            device = self._node(hub, node, round_number)
            self.half.evaluate(device, self.half.start(device), downlink)
        return self.server.assess(self.state, round_number, engine)

    def weights(self) -> Tensor:
        """Return all weights of the server as one vector."""
        return torch.cat([p.detach().flatten() for p in self.state.online.parameters()])

    def _provided(self) -> Provided:
        """Return what one half gets from the core."""
        tables = {Need.SPLIT: self.split}
        provided = Provided(self.run, self.settings, torch.device("cpu"), tables)
        provided.agree(self.task)
        return provided

    def _hub(
        self, engine: MocoSFLEngine, plan: Plan, late: Collection[tuple[int, int, int]]
    ) -> FakeHub:
        seats = {node: self._seats(plan, node) for node in self.nodes}
        return FakeHub(engine, plan, lambda own: self.server.frames(own, plan.batch), seats, late)

    def _seats(self, plan: Plan, node: int) -> tuple[tuple[int, ...], ...]:
        return plan.seats(node, self.run.clients_per_node)

    def _node(self, hub: FakeHub, node: int, round_number: int) -> FakeNode:
        carried = self.run.clients_per_node
        own = self.clients[node * carried : (node + 1) * carried]
        return FakeNode(
            tuple(replace(client, round_number=round_number) for client in own), hub.link(node)
        )
