"""Federations that many tests read, each played once."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from federations.split_federation import ADAPTING
from federations.tiny_federations import STAND_INS, tiny
from loopback import Federation

from tests.answering import ForkServer, standing_in


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Federation]:
    """Return a tiny federation after its run, to be read and not to be played again."""
    known: dict[str, Federation] = {}

    def play(method: str, **overrides: Any) -> Federation:
        name = f"{method} {sorted(overrides.items())}"
        if name not in known:
            federation = tiny(tmp_path_factory.mktemp(method), method, **overrides)
            with standing_in(STAND_INS if method in ADAPTING else {}):
                federation.play()
            known[name] = federation
        return known[name]

    return play


@pytest.fixture(autouse=True)
def _share_prepared_data(prepared_once: None) -> None:
    """Let every federation here find data that another prepared."""


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Return what answers each message in a process of its own."""
    server = ForkServer()
    yield server
    server.close()
