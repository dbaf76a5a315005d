"""The ledger is the paper's, to the last bit."""

from benchmarks.distillation_ledger import ledger, paper_model
from strategies.common.architecture import Architecture


def test_the_model_is_as_large_as_the_papers() -> None:
    """Check 9, its other half."""
    own = Architecture.of(paper_model())
    assert (own.parameters, own.statistics) == (1_199_648, 0)


def test_every_scheme_sends_what_the_paper_counts() -> None:
    """Check 8: bits, and their ratios."""
    found = ledger()
    counted = {name: sent.counted for name, sent in found.items()}
    assert counted == {
        "FD": 102_400,
        "FD+FAug": 47_989_120,
        "FL": 1_228_439_552,
        "FL+FAug": 1_276_326_272,
    }
    assert round(counted["FL+FAug"] / counted["FD+FAug"], 1) == 26.6
    assert round(counted["FL"] / counted["FD+FAug"], 1) == 25.6
    assert 11_996 < counted["FL"] / counted["FD"] < 11_997
    for sent in found.values():
        assert sent.travelled > sent.counted
    # A header and ten labels are as long as a table; of a model they are nothing.
    assert found["FD"].travelled < 2 * found["FD"].counted
    assert found["FL"].travelled < 1.0001 * found["FL"].counted
