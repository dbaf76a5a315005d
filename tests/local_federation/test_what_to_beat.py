import pytest

from client_app.half import client_half
from local_federation.baselines import baseline_of
from strategies import methods
from strategies.common.run_config import default_config, read_run


@pytest.mark.parametrize("method", methods.METHODS)
def test_what_a_method_has_to_beat_can_be_played_with_its_settings(method: str) -> None:
    carried = 5 if methods.exchanges(method) else 1
    config = {**default_config(), "method": method, "clients-per-node": carried}
    baseline = baseline_of(method)
    if baseline is not None:
        config |= baseline
        assert dict(baseline) != {"method": method}
    client_half(read_run(config), config)


def test_a_method_that_trains_alone_has_no_baseline() -> None:
    assert baseline_of("local") is None
