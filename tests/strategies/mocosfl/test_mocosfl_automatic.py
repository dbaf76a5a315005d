"""The automatic rule against the published table, and what overrides it."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from strategies.mocosfl.settings import (
    MocoSFLSettings,
    Sampling,
    is_symmetric,
    projection_dim,
    projection_hidden,
    sampling,
    steps_per_round,
)

IMAGES = 50_000


@pytest.mark.parametrize(
    ("clients", "batch", "pool", "steps_per_epoch", "syncs_per_epoch", "epochs"),
    [
        (5, 20, 5, 500, 10, 200),
        (100, 1, 100, 500, 10, 200),
        (200, 1, 100, 250, 5, 400),
        (1000, 1, 100, 50, 1, 2000),
    ],
)
def test_the_published_table(
    mocosfl_settings: Callable[..., MocoSFLSettings],
    clients: int,
    batch: int,
    pool: int,
    steps_per_epoch: int,
    syncs_per_epoch: int,
    epochs: int,
) -> None:
    settings = mocosfl_settings()

    chosen = sampling(settings, clients)

    assert chosen == Sampling(pool, batch)
    assert chosen.pool * chosen.batch == 100
    # What one pass over a client's data takes, and how often the authors synchronise in it.
    assert IMAGES // clients // batch == steps_per_epoch
    assert steps_per_epoch // syncs_per_epoch == steps_per_round(settings)
    assert epochs * steps_per_epoch == 100_000


def test_a_pool_set_by_hand_gets_the_batch_that_the_authors_set_with_it(
    mocosfl_settings: Callable[..., MocoSFLSettings],
) -> None:
    settings = mocosfl_settings(pool=5, steps_per_round=12)

    assert sampling(settings, 20) == Sampling(5, 20)
    assert steps_per_round(settings) == 12
    assert sampling(mocosfl_settings(), 20) == Sampling(20, 5)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(clients=st.integers(1, 5000), pool=st.integers(0, 300), batch=st.integers(0, 50))
def test_any_number_of_clients_gives_a_pool_among_them(
    mocosfl_settings: Callable[..., MocoSFLSettings], clients: int, pool: int, batch: int
) -> None:
    chosen = sampling(mocosfl_settings(pool=pool, batch=batch), clients)

    assert 1 <= chosen.pool <= clients
    assert chosen.batch >= 1
    if pool:
        assert chosen.pool == min(pool, clients)
    elif clients < 200:
        assert chosen.pool == clients
    else:
        assert 100 <= chosen.pool < 200
    if batch:
        assert chosen.batch == batch
    elif chosen.pool <= 100:
        assert 50 < chosen.pool * chosen.batch <= 100


def test_heads_and_symmetry_by_version(
    mocosfl_settings: Callable[..., MocoSFLSettings],
) -> None:
    old, new = mocosfl_settings(version="v1"), mocosfl_settings(version="v2")
    small = mocosfl_settings(projection_dim=512, symmetric="off")

    assert [projection_hidden(s) for s in (old, new, small)] == [0, 1024, 1024]
    assert [projection_dim(s) for s in (old, new, small)] == [128, 1024, 512]
    assert [is_symmetric(s) for s in (old, new, small)] == [False, True, False]
    assert is_symmetric(mocosfl_settings(version="v1", symmetric="on"))
