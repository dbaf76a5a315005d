"""A split method in one process: the same halves, without Flower, network or disk.

For comparing a federation with what one client does alone, and for measuring what the
stream costs. Results are those of a federation whose nodes carry the same clients.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from client_app.devices.exchange_device import ExchangeNode
from client_app.half import client_half
from client_app.node import NodeConfig
from server_app.half import server_half
from server_app.split.direct import DirectLink
from server_app.split.hub import Hub
from strategies import methods
from strategies.common.round import Aggregated, Reply
from strategies.common.run_config import RunConfig, read_run
from strategies.common.split.engine import Engine
from strategies.common.split.halves import Assessment, SplitRound, SplitServerHalf
from strategies.common.split.plan import Plan
from strategies.common.transport.compute import threads


@final
class OneProcess:
    """Rounds of a split method between a server half and one node.

    Parameters
    ----------
    config : RunConfig
        Flat run config of a split method.
    node : int
        Node that takes part; it carries ``clients-per-node`` logical clients.
    num_nodes : int
        Nodes among which the data are dealt, and which are all surveyed.
    folder : Path
        Takes prepared data.

    Raises
    ------
    SettingsError
        If a setting is unknown, missing or out of range.
    """

    def __init__(self, config: RunConfig, node: int, num_nodes: int, folder: Path) -> None:
        self._settings = read_run(config)
        self._split = methods.split_settings(config)
        self._node = node
        self._num_nodes = num_nodes
        self._folder = folder
        self._server = self._server_half(config)
        self._client: Any = client_half(self._settings, config)
        with threads(self._settings.client_threads):
            task = self._device(node, 1).task
            self._client.provided.agree(task)
            self._server.provided.agree(task)
            self.state: Any = self._server.start()
            self._client_state: Any = self._client.start(self._device(node, 1))

    def play(self, round_number: int) -> Aggregated:
        """Play one round of training and its synchronisation."""
        plan = self._server.plan(self.state, round_number, [self._node])
        engine = self._server.engine(self.state, plan)
        with threads(self._settings.client_threads):
            device = self._linked(self._hub(engine, plan, [self._node]), plan, round_number)
            downlink = self._server.broadcast(self.state)
            trained = self._client.train(device, self._client_state, downlink)
            samples = sum(len(client.train) for client in device.clients)
            sent = trained.uplink
            replies = [] if sent is None else [Reply(self._node, samples, sent)]
            current = SplitRound(round_number, plan, engine)
            return self._server.aggregate(self.state, current, replies)

    def assess(self, round_number: int) -> Assessment | None:
        """Evaluate on the samples of all nodes, if the method does so after this round."""
        everyone = list(range(self._num_nodes))
        plan = self._server.survey_plan(round_number, everyone)
        if plan is None:
            return None
        engine = self._server.engine(self.state, plan)
        hub = self._hub(engine, plan, everyone)
        with threads(self._settings.client_threads):
            for node in everyone:
                device = self._linked(hub, plan, max(1, round_number), node)
                downlink = self._server.broadcast(self.state)
                self._client.evaluate(device, self._client.start(device), downlink)
            return self._server.assess(self.state, round_number, engine)

    def assess_inputs(self) -> Mapping[str, float]:
        """Say what the inputs of all nodes are worth without any network."""
        with threads(self._settings.client_threads):
            clients = [
                client
                for node in range(self._num_nodes)
                for client in self._device(node, 1).clients
            ]
            surveyed = {client.partition: self._client.surveyed(client) for client in clients}
            found: Mapping[str, float] = self._server.assess_inputs(surveyed)
            return found

    def _hub(self, engine: Engine, plan: Plan, nodes: list[int]) -> Hub:
        carried = self._settings.clients_per_node
        seats: Mapping[int, Any] = {node: plan.seats(node, carried) for node in nodes}
        return Hub(
            engine,
            plan,
            lambda own: self._server.frames(own, plan.batch),
            seats,
            self._split,
            self._settings.server_threads,
        )

    def _linked(
        self, hub: Hub, plan: Plan, round_number: int, node: int | None = None
    ) -> ExchangeNode:
        place = self._node if node is None else node
        return self._device(place, round_number, DirectLink(hub, place, plan))

    def _device(self, node: int, round_number: int, link: DirectLink | None = None) -> ExchangeNode:
        config = NodeConfig(
            partition_id=node, num_partitions=self._num_nodes, state_dir=str(self._folder)
        )
        return ExchangeNode(self._split, config, self._settings, round_number, link)

    def _server_half(self, config: RunConfig) -> SplitServerHalf[Any, Any, Any, Any, Any]:
        half = server_half(self._settings, config)
        if not isinstance(half, SplitServerHalf):
            name = self._settings.method
            raise TypeError(f"expected a method that exchanges activations, got {name}")
        return half
