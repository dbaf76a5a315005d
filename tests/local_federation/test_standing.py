"""Runs on a SuperLink that somebody else has started."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from local_federation import standing, superlink
from local_federation.host import LocalFederationError, Standing
from local_federation.processes import free_port
from local_federation.standing import StandingRun
from local_federation.superlink import SuperLink

GONE = "unknown: Connection to the SuperLink is unavailable"


def run_with(*statuses: str, run_id: str | None = "17") -> tuple[StandingRun, Any]:
    """Return a run whose commands have all ended, and its SuperLink with these answers."""
    said: Iterator[str] = iter(statuses)
    link = Mock()
    link.run_id.return_value = run_id
    link.status.side_effect = lambda _: next(said)
    ended = Mock()
    ended.wait.return_value = 0
    link.follow_log.return_value = ended
    return StandingRun(link, ended), link


def test_a_run_outlives_a_superlink_that_is_away_for_a_while() -> None:
    run, link = run_with("running", GONE, GONE, "running", "finished:completed")
    assert [run.ended(0.0) for _ in range(5)] == [None] * 4 + ["finished:completed"]
    assert link.follow_log.call_count == 4
    run.stop()
    assert link.end.call_count == 0


def test_a_superlink_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "_PATIENCE_S", 0.0)
    run, _ = run_with(GONE)
    assert run.ended(0.0) == GONE


def test_a_run_that_did_not_begin_is_told_so() -> None:
    run, _ = run_with(run_id=None)
    assert run.ended(0.0) == "not started"


def test_a_run_that_is_left_early_is_ended_where_it_runs() -> None:
    run, link = run_with("running")
    run.stop()
    assert link.end.call_count == 1


@pytest.mark.parametrize("certificates", [True, False])
def test_flower_is_told_where_it_is_and_what_to_trust(tmp_path: Path, certificates: bool) -> None:
    ca = tmp_path / "ca.crt"
    place = Standing("superlink", 8000, ca if certificates else None)
    link = SuperLink(tmp_path / "home", simulation=False, standing=place)
    told = tomllib.loads((tmp_path / "home" / "flwr" / "config.toml").read_text())
    trust = {"root-certificates": str(ca)} if certificates else {"insecure": True}
    assert told["superlink"]["here"] == {"address": "superlink:8000", **trust}
    assert not link.running()


def test_one_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(superlink, "_START_S", -1.0)
    port = free_port()
    link = SuperLink(tmp_path, simulation=False, standing=Standing("127.0.0.1", port))
    with pytest.raises(LocalFederationError, match=f"127.0.0.1:{port}: expected a SuperLink"):
        link.start()
