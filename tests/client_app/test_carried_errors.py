"""An error about a file whose name is not UTF-8 reaches the server as letters that it can write."""

import pytest

from client_app.carried_errors import errors_that_travel
from strategies.common.errors import ModelError, NectarError


@pytest.mark.parametrize(
    ("raised", "kind", "told"),
    [
        (ModelError("caf\udce9: no model"), "ModelError", "caf\\udce9: no model"),
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
