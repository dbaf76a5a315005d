"""A benchmark goes on with runs that it kept, and takes none of other settings for its own."""

import pytest
import tomli_w

from benchmarks.results import complete
from strategies.common.errors import RunFolderError


@pytest.fixture
def kept(tmp_path):
    """Return the folder of a run of three rounds."""
    settings = {"method": "fd", "rounds": 3, "fd.distillation-weight": 0.1, "run-name": "fd"}
    (tmp_path / "settings.toml").write_text(tomli_w.dumps({"settings": settings}))
    (tmp_path / "rounds.jsonl").write_text('{"round": 1}\n{"round": 2}\n{"round": 3}\n')
    return tmp_path


def test_a_run_is_complete_with_its_last_round(kept) -> None:
    own = {"method": "fd", "fd.distillation-weight": 0.1}
    assert complete(kept, {**own, "rounds": 3})
    assert not complete(kept, {**own, "rounds": 4})
    assert not complete(kept / "nobody", {**own, "rounds": 3})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"method": "fedproto"}, "expected a run with method 'fedproto', got 'fd'"),
        ({"fd.distillation-weight": 1.0}, "distillation-weight 1.0, got 0.1; remove it, or give"),
        # What the run does not tell of was at its default.
        ({"local-epochs": 3}, "expected a run with local-epochs 3, got 1"),
    ],
)
def test_a_run_of_other_settings_is_refused_with_what_differs(kept, change, said: str) -> None:
    own = {"method": "fd", "rounds": 3, "fd.distillation-weight": 0.1}
    with pytest.raises(RunFolderError, match=said):
        complete(kept, {**own, **change})


def test_settings_at_their_defaults_and_those_that_change_no_result_may_be_said_or_not(
    kept,
) -> None:
    own = {"method": "fd", "rounds": 3, "local-epochs": 1, "writers": "", "run-name": "another"}
    assert complete(kept, own)
