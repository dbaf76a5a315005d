"""What a run of any method leaves of clients' data and models is its owner's alone to read."""

from collections.abc import Callable

import pytest
from federations.split_federation import PREPARED
from loopback import Federation

from strategies.methods import METHODS

pytestmark = pytest.mark.federation


@pytest.mark.parametrize("method", METHODS)
def test_states_prepared_data_and_checkpoints_are_the_owners_alone(
    method: str, played: Callable[..., Federation]
) -> None:
    run = played(method)
    places = [run.folder / "state", run.run_folder / "checkpoints", *PREPARED]
    for place in places:
        inside = [path for path in place.rglob("*") if not path.is_symlink()]
        assert any(path.suffix == ".safetensors" for path in inside), place
        # The folders themselves, but for that of checkpoints, were made by these tests.
        own = [place, *inside] if place.name == "checkpoints" else inside
        assert not [path for path in own if path.stat().st_mode & 0o077]
