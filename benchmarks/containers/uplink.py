"""One node behind a slow line: what its rounds take, beside the same rounds without the line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, final

from rich.console import Console
from rich.table import Table

from benchmarks.containers.failure import CheckError
from benchmarks.containers.journals import Line, failures
from benchmarks.containers.player import Player
from benchmarks.containers.twins import Twins
from local_federation.host import Settings

LATENCY_S: Final = 0.1
UPLINK_BIT_S: Final = 1e6
_NODE, _CLIENT = "node-2", "2"
_WIRE: Final = Path(__file__).parents[1] / "slow_wire.py"
_MEGA: Final = 1e6


@final
@dataclass(frozen=True)
class Rounds:
    """What a run's rounds took, the first left out, in which nodes prepare what they keep.

    Attributes
    ----------
    seconds : float
        Median over rounds, from one to the next.
    own : Mapping[str, float]
        Medians of what clients computed and kept, in seconds.
    up, down : Mapping[str, float]
        Medians of clients' bytes, in MB.
    """

    seconds: float
    own: Mapping[str, float]
    up: Mapping[str, float]
    down: Mapping[str, float]

    @classmethod
    def of(cls, journal: list[Line]) -> "Rounds":
        """Return what a journal says.

        Raises
        ------
        CheckError
            If a client failed.
        """
        if failed := failures(journal):
            raise CheckError(f"expected all clients to answer: {'; '.join(failed)}")
        lines = journal[1:]
        nodes = [line["nodes"] for line in lines]
        clients = sorted(nodes[0])
        return cls(
            median(line["seconds"]["total"] for line in lines),
            {c: median(node[c]["seconds"]["total"] for node in nodes) for c in clients},
            {c: median(node[c]["uplink_bytes"] for node in nodes) / _MEGA for c in clients},
            {c: median(node[c]["downlink_bytes"] for node in nodes) / _MEGA for c in clients},
        )


@contextmanager
def slow_uplink(twins: Twins) -> Iterator[None]:
    """Put one node of a lab that is up behind a slow line for the length of a block.

    Messages and activations cross it alike, as they would a device's own.
    """
    ways = ("8443=proxy:8443", "9443=superexec:9443")
    shape = ("--latency-s", str(LATENCY_S), "--uplink-bit-s", str(UPLINK_BIT_S))
    command = ["python", "-c", _WIRE.read_text(), *ways, *shape]
    superexec = f"{_NODE}-superexec"
    twins.start("uplink", _NODE, command=command)
    line = twins.address("uplink")
    stopped = [twins.stop(service) for service in (_NODE, superexec)]
    environment = {"NODE": _NODE, "PARTITION": _CLIENT}
    twins.start(_NODE, _NODE, environment=environment, hosts={"proxy": line})
    twins.start(superexec, superexec, environment=environment, hosts={"superexec": line})
    try:
        yield
    finally:
        twins.remove(_NODE, superexec, "uplink")
        twins.start_again(stopped)


def compare(
    player: Player, twins: Twins, runs: Mapping[str, tuple[str, Settings]], console: Console
) -> None:
    """Play runs without the line and with it, and print what they took.

    Parameters
    ----------
    player : Player
        Plays them.
    twins : Twins
        Puts the line there.
    runs : Mapping[str, tuple[str, Settings]]
        Method and settings by name.
    console : Console
        Where the table goes.

    Raises
    ------
    CheckError
        If a run does not come to its end, or a client fails.
    """
    plain = {n: Rounds.of(player.play(f"{n}-plain", *run)) for n, run in runs.items()}
    with slow_uplink(twins):
        slow = {n: Rounds.of(player.play(f"{n}-slow", *run)) for n, run in runs.items()}
    console.print(table(plain, slow))


def table(plain: Mapping[str, Rounds], slow: Mapping[str, Rounds]) -> Table:
    """Return what rounds took without the line and with it, by run and client."""
    title = (
        f"{_NODE} behind {LATENCY_S * 1000:g} ms each way and {UPLINK_BIT_S / _MEGA:g} Mbit/s up"
    )
    shown = Table(title=title)
    for heading in ("run", "client", "MB up", "MB down", "s of its own"):
        shown.add_column(heading)
    for heading in ("s per round before", "s per round behind it"):
        shown.add_column(heading, justify="right")
    for name, rounds in slow.items():
        for client in rounds.up:
            behind = client == _CLIENT
            numbers = (rounds.up[client], rounds.down[client], rounds.own[client])
            shown.add_row(
                name,
                f"{client}, behind it" if behind else client,
                *(f"{number:.3f}" for number in numbers),
                f"{plain[name].seconds:.1f}" if behind else "",
                f"{rounds.seconds:.1f}" if behind else "",
            )
    return shown
