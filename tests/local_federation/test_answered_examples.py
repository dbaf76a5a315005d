"""What clients answer, put into a run's folder by who holds pictures and states."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from loopback import Federation
from PIL import Image

from local_federation import examples
from server_app.examples import FOLDER, read
from strategies.common.errors import RunFolderError
from tests.strategies.tiny_backbone import TinyBackbone

SETTINGS = {
    "data": "digitgrid:function",
    "max-samples": 40,
    "rounds": 1,
    "batch-size": 8,
    "adapters.rank": 2,
    "adapters.learning-rate": 0.01,
    "fedlora.ranks": "2",
}


@pytest.fixture(autouse=True)
def _backbone() -> Iterator[None]:
    tiny = TinyBackbone()
    with patch("client_app.devices.adapter_device.loading.load", lambda *_: tiny):
        yield


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["feddat", "fedadapter", "fedlora"])
def test_the_given_answers_are_those_that_the_accuracy_counts(tmp_path: Path, method: str) -> None:
    played = Federation(tmp_path, 2, {**SETTINGS, "method": method})
    (line,) = played.play()
    examples.answer(played.run_folder, 100)
    found = read(played.run_folder)
    for client in (0, 1):
        own = [example for example in found if example.client == client]
        assert len(own) == 10
        right = sum(example.is_right for example in own)
        assert line["nodes"][str(client)]["accuracy"] == pytest.approx(right / 10)
        with Image.open(played.run_folder / FOLDER / own[0].picture) as picture:
            assert picture.size == (32, 32)


def test_so_many_questions_are_answered(tmp_path: Path) -> None:
    played = Federation(tmp_path, 2, {**SETTINGS, "method": "fedadapter"})
    played.play()
    examples.answer(played.run_folder, 3)
    assert [example.client for example in read(played.run_folder)] == [0] * 3 + [1] * 3


def test_a_run_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    played = Federation(tmp_path, 2, {**SETTINGS, "method": "fedadapter"})
    played.play()
    for file in (played.run_folder / "checkpoints").iterdir():
        file.unlink()
    with pytest.raises(RunFolderError, match="expected a checkpoint, found none"):
        examples.answer(played.run_folder, 3)
