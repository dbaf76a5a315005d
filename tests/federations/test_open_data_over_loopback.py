"""Whose open data are other ones, and whose labels are, is told before anyone learns from them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from federations.tiny_federations import tiny
from PIL import Image

from client_app.data import open_set
from client_app.data.looked_at_once import forget_files
from strategies.common.errors import FederationError, NectarError
from strategies.common.run_config import read_run

pytestmark = pytest.mark.federation


def pictures(folder: Path, side: int = 8, seed: int = 0) -> str:
    """Write grey pictures of two classes, and return the source."""
    forget_files()
    drawn = np.random.default_rng(seed)
    for name in ("cats", "dogs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
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


@pytest.mark.parametrize(
    ("method", "told"),
    [
        (
            "feddf",
            r"server: .* expected 60 samples of sha256 {0}, .*learnt from, got 60 .* {1}",
        ),
        ("dsfl", r"data with which this run began, 60 samples of sha256 {0}, got 60 .* {1}; put"),
    ],
)
def test_a_run_goes_on_with_the_open_data_that_it_has_learnt_from(
    tmp_path: Path, method: str, told: str
) -> None:
    digests = []

    def play(rounds: int, seed: int) -> list[dict[str, Any]]:
        spec = pictures(tmp_path / "pictures", seed=seed)
        settings = {"open_data": spec, "open_samples": 0, "rounds": rounds, "data": "digits"}
        federation = tiny(tmp_path, method, resume=rounds > 1, **settings)
        chosen = read_run(federation.config)
        digests.append(open_set.load(chosen, spec, tmp_path / "looked-at").told.sha256[:12])
        return federation.play()

    play(rounds=1, seed=0)
    with pytest.raises(NectarError) as refusal:
        play(rounds=2, seed=1)
    assert re.search(told.format(*digests), str(refusal.value))
    assert len(play(rounds=2, seed=0)) == 2


def test_answers_of_a_few_bytes_teach_as_well(tmp_path: Path) -> None:
    whole = tiny(tmp_path / "whole", "dsfl").play()
    small = tiny(tmp_path / "small", "dsfl", dsfl__upload_top=2, dsfl__upload_bits=4).play()
    sent = [
        lines[-1]["nodes"]["0"]["payload_bytes"]["up/dsfl.predictions"] for lines in (whole, small)
    ]
    # Of ten classes in four bytes each, two in one byte, and as much again for heads of fields.
    assert sent[1] < sent[0] / 3
    assert all("accuracy" in node for node in small[-1]["nodes"].values())
    assert small[-1]["diagnostics"]["entropy"] != whole[-1]["diagnostics"]["entropy"]
