"""One folder of images, dealt to all clients."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from client_app.data import prepared
from client_app.data.looked_at_once import forget_files
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings

CLIENTS = 4
EACH = 24


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two classes, whose images tell by their brightness which they are; one is coloured."""
    for number, name in enumerate(("cats", "dogs")):
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        for index in range(EACH):
            pixels = np.full((8, 8), 100 * number + index, dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{index:02}.png")
    Image.new("RGB", (8, 8), (7, 200, 9)).save(tmp_path / "images" / "dogs" / "coloured.png")
    return tmp_path / "images"


def test_every_image_goes_to_one_client_and_all_have_the_same_channels(
    place: Path, tmp_path: Path, run_settings: Callable[..., RunSettings]
) -> None:
    settings = run_settings(partition="iid", min_train_samples=2, min_test_samples=1)
    dealt = [
        prepared.load(settings, f"images:{place}", client, CLIENTS, tmp_path / "cache")
        for client in range(CLIENTS)
    ]
    assert {data.class_names for data in dealt} == {("cats", "dogs")}
    inputs = torch.cat([part.inputs for data in dealt for part in (data.train, data.test)])
    labels = torch.cat([part.labels for data in dealt for part in (data.train, data.test)])
    # Three channels for all, though most clients' images are all grey.
    assert inputs.shape == (2 * EACH + 1, 3, 8, 8)
    pairs = zip(labels, inputs, strict=True)
    told = sorted((int(label), *image[:, 0, 0].tolist()) for label, image in pairs)
    grey = [(n, *[100 * n + index] * 3) for n in (0, 1) for index in range(EACH)]
    assert told == sorted([*grey, (1, 7, 200, 9)])


def test_grey_images_stay_grey(
    place: Path, tmp_path: Path, run_settings: Callable[..., RunSettings]
) -> None:
    (place / "dogs" / "coloured.png").unlink()
    (place / "dogs" / "broken.png").write_bytes(b"no image")
    settings = run_settings(partition="iid", min_train_samples=2, min_test_samples=1)
    dealt = [
        prepared.load(settings, f"images:{place}", client, CLIENTS, tmp_path / "cache")
        for client in range(CLIENTS)
    ]
    assert {tuple(data.train.inputs.shape[1:]) for data in dealt} == {(1, 8, 8)}
    # Whoever was dealt it says so.
    assert sum("broken.png" in note for data in dealt for note in data.notes) == 1


def test_other_images_are_told_by_what_they_hold_where_labels_are_alike(
    place: Path, tmp_path: Path, run_settings: Callable[..., RunSettings]
) -> None:
    settings = run_settings(partition="iid", min_train_samples=2, min_test_samples=1)

    def told(folder: Path, cache: str) -> tuple[str, str]:
        forget_files()
        data = prepared.load(settings, f"images:{folder}", 0, CLIENTS, tmp_path / cache)
        return data.dealt, data.split

    for path in sorted(place.glob("cats/*.png")):
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    first = told(place, "here")
    copied = shutil.copytree(place, tmp_path / "copied", copy_function=shutil.copyfile)
    assert told(copied, "there") == first
    one, two = (copied / "cats" / name for name in ("00.bmp", "01.bmp"))
    assert one.stat().st_size == two.stat().st_size
    before = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(before)
    dealt, split = told(copied, "there")
    assert dealt != first[0]
    assert split != first[1]


def test_channels_are_chosen_for_all(
    place: Path, tmp_path: Path, run_settings: Callable[..., RunSettings]
) -> None:
    settings = run_settings(partition="iid", min_train_samples=2, min_test_samples=1, channels=1)
    data = prepared.load(settings, f"images:{place}", 0, CLIENTS, tmp_path / "cache")
    assert data.train.inputs.shape[1:] == (1, 8, 8)


def test_a_folder_that_is_not_there_is_refused(
    tmp_path: Path, run_settings: Callable[..., RunSettings]
) -> None:
    with pytest.raises(DataError, match="expected a folder at"):
        prepared.load(run_settings(), f"images:{tmp_path}/none", 0, CLIENTS, tmp_path / "cache")
