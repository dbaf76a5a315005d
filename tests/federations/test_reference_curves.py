"""A change of a method's mathematics is seen: its curves are those that were kept.

Another machine's libraries may round in another way, and rounds let that grow: an accuracy may
differ by 0.04, five of some 120 test samples, and a loss by 5 %. With the instructions of one
processor in place of another's (``ATEN_CPU_CAPABILITY``, ``ONEDNN_MAX_CPU_ISA``) three rounds
differed by at most 0.025 and 0.4 %.
"""

from pathlib import Path

import pytest
from federations.reference_curves import SETTING, curves_of, kept
from federations.split_federation import OTHERS
from federations.tiny_federations import tiny

pytestmark = pytest.mark.federation

ACCURACY, LOSS = 0.04, 0.05


def test_every_method_has_a_curve() -> None:
    assert list(kept()) == OTHERS


@pytest.mark.quick("local", "fedproto", "fedkd", "fedl2g")
@pytest.mark.parametrize("method", OTHERS)
def test_a_methods_curve_is_the_one_that_was_kept(tmp_path: Path, method: str) -> None:
    expected = kept()[method]
    found = curves_of(tiny(tmp_path, method, **SETTING).play())
    assert found["accuracy"] == pytest.approx(expected["accuracy"], abs=ACCURACY)
    assert found["loss"] == pytest.approx(expected["loss"], rel=LOSS)


def test_curves_are_of_methods_that_learn_and_differ() -> None:
    curves = kept()
    assert curves["local"]["accuracy"][-1] > 0.5
    losses = [tuple(one["loss"]) for one in curves.values()]
    # FedAvg's groups of one are Local; no other two methods do the same.
    assert len(set(losses)) >= len(losses) - 1
