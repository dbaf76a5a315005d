"""Every method, with a client that forgets: a process of its own answers each message to it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from federations.split_federation import ADAPTING
from federations.tiny_federations import STAND_INS, tiny
from loopback import Federation, without_clocks

from strategies.methods import METHODS
from tests.answering import ForkServer, standing_in

# One worker, since a server of forks takes seconds to start.
pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("forked clients")]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.quick("fedproto", "mocosfl")
def test_nothing_survives_in_a_clients_memory(
    tmp_path: Path, method: str, played: Callable[..., Federation], fork_server: ForkServer
) -> None:
    # Played first, so that the data are prepared.
    expected = without_clocks(played(method).lines())
    federation = tiny(tmp_path, method)
    federation.grid.fork_server = fork_server
    federation.grid.stand_ins = STAND_INS if method in ADAPTING else {}
    with standing_in(federation.grid.stand_ins):
        forked = federation.play()
    assert len(forked) == 2
    assert all("failure" not in node for line in forked for node in line["nodes"].values())
    assert without_clocks(forked) == expected
