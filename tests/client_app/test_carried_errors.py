"""An error about a file whose name is not UTF-8 reaches the server as letters that it can write."""

import pytest

from client_app.carried_errors import errors_that_travel
from strategies.common.errors import ModelError, NectarError
from strategies.common.transport.control import Report

HONEST = {
    "round_number": 3, "continued_from": 2, "correct": 7.0, "test_samples": 10, "train_samples": 30,
    "load_s": 0.1, "train_s": 1.0, "evaluate_s": 0.0, "save_s": 0.2, "notes": [], "scores": {},
    "losses": {}, "figures": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("raised", "kind", "told"),
    [
        (ModelError("caf\udce9: no model"), "ModelError", "caf\\xe9: no model"),
        (OSError("cannot open caf\udce9"), "DataError", "OSError: cannot open caf\\udce9"),
    ],
)
def test_half_letters_are_written_out(raised: Exception, kind: str, told: str) -> None:
    with pytest.raises(NectarError) as caught, errors_that_travel():
        raise raised
    assert (type(caught.value).__name__, str(caught.value)) == (kind, told)
    str(caught.value).encode()


def test_every_other_error_stays_what_it_is() -> None:
    error = KeyError("école")
    with pytest.raises(KeyError) as caught, errors_that_travel():
        raise error
    assert caught.value is error


def test_a_report_of_a_client_that_diverged_says_what_to_do() -> None:
    values = {**HONEST, "loss": 1e30}
    with pytest.raises(ModelError) as caught, errors_that_travel():
        Report.model_validate(values)
    assert str(caught.value).startswith("report.loss: Input should be less than or equal to ")
    assert str(caught.value).endswith(
        "got 1e+30; the training may have diverged: lower the learning rate"
    )
