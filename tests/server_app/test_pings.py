"""Pings are few, whoever is silent for however long."""

from types import SimpleNamespace

import pytest

from server_app import pings
from server_app.pings import Pings
from tests.server_app.scripted_grid import ScriptedGrid


def test_pings_become_rare_and_a_breakdown_brings_one_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(pings, "time", clock)
    grid = ScriptedGrid(online=[100])
    watched = Pings(grid, lambda _: 60.0)
    watched.begin(100)

    def sent_at(seconds: range, *, shaken: bool) -> list[int]:
        found = []
        for clock.now in seconds:
            before = len(grid.pushed)
            watched.send(shaken=shaken)
            found += [clock.now] * (len(grid.pushed) - before)
        return found

    assert sent_at(range(1000), shaken=False) == [60, 240, 780]
    watched.begin(100)
    assert sent_at(range(1000, 1060), shaken=True) == [1000, 1010, 1050]
    watched.end(100)
    assert sent_at(range(1060, 3000), shaken=True) == []
    assert watched.ids == set()
