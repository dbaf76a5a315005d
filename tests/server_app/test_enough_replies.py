"""How many clients train in a round, and whether a round can have the replies that it needs."""

from typing import Any

import pytest

from server_app.enough_replies import num_training, require_enough
from strategies.common.errors import SettingsError
from strategies.common.run_config import default_config, read_run
from strategies.common.settings import RunSettings


def run_of(**changes: Any) -> RunSettings:
    named = {key.replace("_", "-"): value for key, value in changes.items()}
    return read_run({**default_config(), "method": "fd", **named})


@pytest.mark.parametrize(
    ("participation", "clients", "count"), [(1.0, 4, 4), (0.5, 4, 2), (0.34, 3, 1), (0.01, 9, 1)]
)
def test_a_part_of_the_clients_trains_and_one_at_least(
    participation: float, clients: int, count: int
) -> None:
    assert num_training(run_of(participation=participation), clients) == count


@pytest.mark.parametrize(
    ("settings", "clients"),
    [
        ({"min_replies": 3}, 3),
        ({"min_replies": 2, "participation": 0.5}, 4),
        # The one client that trains whatever the part.
        ({"min_replies": 1, "participation": 0.1}, 2),
        # Of split networks, clients are chosen, and nodes reply.
        ({"min_replies": 2, "participation": 0.5, "method": "splitfed", "clients_per_node": 5}, 2),
    ],
)
def test_as_many_replies_as_there_can_be_may_be_needed(
    settings: dict[str, Any], clients: int
) -> None:
    require_enough(run_of(**settings), clients, "--clients ")


@pytest.mark.parametrize(
    ("settings", "clients", "told"),
    [
        ({"min_replies": 5}, 3, "expected at most 3 with --clients 3, got 5; no round"),
        (
            {"min_replies": 3, "participation": 0.5},
            4,
            "expected at most 2 with --clients 4, as participation=0.5 lets no more train, got 3;",
        ),
        ({"min_replies": 3, "method": "splitfed", "clients_per_node": 5}, 2, "at most 2 with"),
    ],
)
def test_more_replies_than_there_can_be_are_refused_with_the_most(
    settings: dict[str, Any], clients: int, told: str
) -> None:
    with pytest.raises(SettingsError, match=f"setting min-replies: .*{told}"):
        require_enough(run_of(**settings), clients, "--clients ")
