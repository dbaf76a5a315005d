"""Whose open data are other ones, and whose labels are, is told before anyone learns from them."""

from pathlib import Path

import numpy as np
import pytest
from federations.tiny_federations import tiny
from PIL import Image

from strategies.common.errors import FederationError, NectarError

pytestmark = pytest.mark.federation


def pictures(folder: Path, side: int = 8) -> str:
    """Write grey pictures of two classes, and return the source."""
    drawn = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (folder / name).mkdir(parents=True)
        for number in range(30):
            pixels = drawn.integers(0, 256, (side, side), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return f"images:{folder}"


def test_open_data_that_models_cannot_read_are_told_before_anyone_trains(tmp_path: Path) -> None:
    larger = pictures(tmp_path / "pictures", side=12)
    played = tiny(tmp_path, "feddf", open_data=larger, open_samples=0)
    with pytest.raises(NectarError, match=r"expected images of 1 x 8 x 8 .*1 x 12 x 12"):
        played.play()
    assert {message.metadata.message_type for message in played.grid.sent} == {"query"}


def test_labels_of_other_classes_are_not_learnt(tmp_path: Path) -> None:
    other = pictures(tmp_path / "pictures")
    played = tiny(tmp_path, "fedmd", open_data=other, open_samples=0, data="digits")
    told = r"the 10 classes, 0, 1, .*got 2 classes, cats, dogs; .*fedmd\.pretrain-epochs=0"
    with pytest.raises(FederationError, match=told):
        played.play()
    played = tiny(
        tmp_path / "without", "fedmd", open_data=other, open_samples=0, fedmd__pretrain_epochs=0
    )
    assert all("accuracy" in node for node in played.play()[-1]["nodes"].values())
