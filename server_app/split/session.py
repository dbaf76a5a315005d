"""One round's exchange of activations: a gRPC server for as long as the round lasts."""

import math
import time
from collections.abc import Callable, Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, final

import grpc

from server_app.split.address import read_address
from server_app.split.certificate import read_files, self_signed
from server_app.split.hub import NO_LIMIT, NOTHING_HEARD, Hub
from server_app.split.refusals import Refusals
from server_app.split.service import Service
from server_app.split.strangers import stranger_options
from server_app.split.tickets import Tickets
from server_app.split.traffic import Traffic
from strategies.common.errors import SettingsError
from strategies.common.magnitudes import Size
from strategies.common.split.engine import Engine
from strategies.common.split.plan import Plan
from strategies.common.split.settings import SplitSettings
from strategies.common.split.wire.frames import FrameSpec
from strategies.common.split.wire.invitation import Invitation
from strategies.common.split.wire.protocol import channel_options
from strategies.common.split.wire.survey_parts import largest_part

# Threads that turn strangers away while all seats are taken.
_SPARE_THREADS = 4
# However short the session's own waits are, computing takes time too.
_LEAST_LIFE_S = 3600.0
# For the frames that tell nodes why they are sent away.
_GRACE_S = 0.2


@final
class SplitSession:
    """A session of the data plane; a context manager.

    Entering starts the server, leaving ends the session for every node that is still there.

    Parameters
    ----------
    engine : Engine
        Learns from what arrives.
    plan : Plan
        Who exchanges, and how often.
    specs : Callable[[tuple[int, ...]], FrameSpec]
        What the frames of some logical clients hold.
    nodes : Mapping[int, tuple[tuple[int, ...], ...]]
        Each node's logical clients, cohort by cohort.
    settings : SplitSettings
        Addresses, deadlines and quorum.
    threads : int
        Torch threads of the engine.
    before, most_surveyed : Mapping
        As of :class:`Hub`.

    Raises
    ------
    SettingsError
        If the server cannot listen, or the operator's certificate cannot be used.
    """

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        specs: Callable[[tuple[int, ...]], FrameSpec],
        nodes: Mapping[int, tuple[tuple[int, ...], ...]],
        settings: SplitSettings,
        threads: int,
        before: Mapping[int, Size] = NOTHING_HEARD,
        most_surveyed: Mapping[int, int] = NO_LIMIT,
    ) -> None:
        self._plan, self._settings = plan, settings
        self.partitions = tuple(sorted(nodes))
        self.hub = Hub(engine, plan, specs, nodes, settings, threads, before, most_surveyed)
        life_s = self._lifetime()
        self.tickets = Tickets(self.partitions, life_s)
        self._refusals = Refusals()
        streams = {p: 2 * len(self._lanes(p)) + 1 for p in self.partitions}
        self._service = Service(self.hub, self.tickets, self._refusals, streams)
        self._num_threads = sum(streams.values()) + _SPARE_THREADS
        self._listen = read_address(settings)
        self._certificate = (
            read_files(settings.certificate, settings.key)
            if settings.certificate or settings.key
            else self_signed((self._listen.host, self._listen.dialled_host), life_s)
        )
        self._port = 0
        self._server: Any = None
        self._pool: ThreadPoolExecutor | None = None
        self._ended = math.inf

    def __enter__(self) -> Self:
        """Start the server."""
        self._pool = ThreadPoolExecutor(self._num_threads, thread_name_prefix="lane")
        lanes = self.hub.lanes.values()
        limit = max(max(lane.framer.largest_up, largest_part(lane.spec)) for lane in lanes)
        self._server = grpc.server(
            self._pool,
            handlers=(self._service.handler(),),
            options=[
                *channel_options(limit),
                *stranger_options(self._num_threads),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=self._num_threads,
        )
        credentials = grpc.ssl_server_credentials(
            [(self._certificate.key, self._certificate.certificate)]
        )
        try:
            self._port = self._server.add_secure_port(self._listen.bind, credentials)
        except RuntimeError:
            self._stop()
            raise SettingsError(
                f"settings split.host and split.port, or NECTAR_SPLIT_HOST and NECTAR_SPLIT_PORT: "
                f"expected an address of this machine that is free, got {self._listen.bind}; "
                f"split.port=0 takes a free port"
            ) from None
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the session and stop the server; waits for the engine's turn under way."""
        self._stop()

    @property
    def failure(self) -> str | None:
        """Why the session was given up; asking also ends one whose nodes never came."""
        self.hub.enforce_deadline()
        return self.hub.failure

    def hopeless(self) -> str | None:
        """Return why no further reply is to be expected, or ``None``.

        A node whose process died in the middle says nothing more, and Flower notices only
        after a minute. Once the exchange has ended, nodes have the connect deadline again to
        save their state and to reply.
        """
        over = self.failure or ("every step was played" if self.hub.played_out else None)
        if over is None:
            return None
        now = time.monotonic()
        self._ended = min(now, self._ended)
        patience = self._settings.connect_deadline_s
        return f"no reply within {patience:g} s: {over}" if now - self._ended > patience else None

    @property
    def steps(self) -> tuple[int, int]:
        """How many steps were played, and of how many; a survey has none."""
        return self.hub.steps_played, len(self._plan.step_numbers)

    @property
    def refused(self) -> Mapping[int, str]:
        """Nodes whose activations were left out, with the reason."""
        return self.hub.refused

    @property
    def cause(self) -> Exception | None:
        """What the engine raised, if that ended the session."""
        return self.hub.cause

    def invitation(self, partition: int) -> Invitation:
        """Return what a node needs to take part; the server must be running."""
        members = {c: n for n, own in enumerate(self._plan.cohorts) for c in own}
        pool = sorted(members)
        return Invitation(
            address=self._listen.dialled(self._port),
            certificate=self._certificate.certificate,
            token=self.tickets.token(partition),
            partition=partition,
            first_step=self._plan.step_numbers.start,
            steps=len(self._plan.step_numbers),
            batch=self._plan.batch,
            pool=pool,
            cohorts=[members[client] for client in pool],
            step_deadline_s=self._settings.step_deadline_s,
            connect_deadline_s=self._settings.connect_deadline_s,
        )

    def traffic(self, partition: int) -> Traffic:
        """Return what a node's streams have carried so far."""
        keys = self._lanes(partition)
        meters = [self._service.meters[key] for key in keys]
        lanes = [self.hub.lanes[key] for key in keys]
        return Traffic(
            sum(meter.uplink_bytes for meter in meters),
            sum(meter.downlink_bytes for meter in meters),
            sum(lane.taken for lane in lanes),
            sum(lane.skipped for lane in lanes),
        )

    def notes(self, failed: Container[int] = ()) -> tuple[str, ...]:
        """Return what a user should know: who was late, and who was refused for what.

        Of a node that failed since it was refused, its failure tells, and nothing here.
        """
        told = {p for p in self.partitions if p in failed and self._refusals.turned_away(p)}
        late = [(p, self.traffic(p).skipped) for p in self.partitions if p not in told]
        turns = len(self._plan.step_numbers)
        return (
            *(
                f"node {p} missed {count} of its turns ({turns} steps)"
                for p, count in late
                if count
            ),
            *self._refusals.notes(told),
        )

    def _lanes(self, partition: int) -> list[tuple[int, int]]:
        return [key for key in self.hub.lanes if key[0] == partition]

    def _lifetime(self) -> float:
        turns = len(self._plan.step_numbers) * len(self._plan.cohorts)
        waits = self._settings.connect_deadline_s + (turns + 1) * self._settings.step_deadline_s
        return max(_LEAST_LIFE_S, 2 * waits)

    def _stop(self) -> None:
        self.tickets.revoke()
        self.hub.close()
        if self._server is not None:
            self._server.stop(_GRACE_S).wait()
        if self._pool is not None:
            self._pool.shutdown(wait=True)
