"""Settings of methods that ask about open data."""

import pytest
from pydantic import ValidationError

from strategies.common.open_settings import OpenDataSettings

USUAL = {
    "server_model": "",
    "distill_optimiser": "sgd",
    "distill_learning_rate": 0.1,
    "distill_batch_size": 2,
    "distill_epochs": 1,
}


def test_one_open_sample_a_round_is_too_few_to_learn_from() -> None:
    """Models that normalise batches end with an error of torch's in the second round."""
    with pytest.raises(ValidationError, match="Input should be 0, or at least 2"):
        OpenDataSettings.model_validate({**USUAL, "samples_per_round": 1})


@pytest.mark.parametrize("count", [0, 2])
def test_all_or_a_few_are_asked_about(count: int) -> None:
    settings = OpenDataSettings.model_validate({**USUAL, "samples_per_round": count})
    assert settings.samples_per_round == count
