"""Pools of images, and how they are dealt to training, attackers and test."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from strategies.common.errors import DataError, SettingsError
from strategies.common.inputs import Images
from taressfl.image_pool import open_pool
from taressfl.image_shares import Shares, deal


def folder_of_images(folder: Path, count: int, *, grey: bool, side: int = 8) -> str:
    """Write images of two classes, each of one colour: red 10 and up by 10, green 0, blue 0."""
    for number in range(count):
        place = folder / ("odd" if number % 2 else "even")
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((side, side, 3), dtype=np.uint8)
        pixels[..., 0] = 10 * (number + 1)
        image = Image.fromarray(pixels)
        (image.convert("L") if grey else image).save(place / f"{number}.png")
    return f"folder:{folder}"


def pfllib_of_clients(folder: Path, low: float) -> str:
    for client in range(2):
        for part in ("train", "test"):
            (folder / part).mkdir(parents=True, exist_ok=True)
            x = np.full((2, 1, 8, 8), low, dtype=np.float32)
            x[1] = 1.0
            held = np.array({"x": x, "y": np.array([0, client])}, dtype=object)
            np.savez(folder / part / f"{client}.npz", data=held)
    return f"pfllib:{folder}"


def test_digits_are_read_in_ascending_order_with_their_labels() -> None:
    pool = open_pool("digits")
    some = pool.read(torch.tensor([5, 0, 9]), 0, 0)

    assert (pool.count, pool.num_classes) == (1797, 10)
    assert (some.inputs.shape, some.inputs.dtype) == ((3, 1, 8, 8), torch.uint8)
    assert some.labels.tolist() == [0, 5, 9]


def test_channels_follow_the_wish(tmp_path: Path) -> None:
    pool = open_pool(folder_of_images(tmp_path, 2, grey=False))
    rows = torch.arange(2)

    assert pool.read(rows, 0, 0).inputs.shape == (2, 3, 8, 8)
    # Red of 10 and 20 looks 0.299 as bright.
    assert pool.read(rows, 0, 1).inputs[:, 0, 0, 0].tolist() == [3, 6]
    grey = open_pool("digits").read(rows, 16, 3).inputs
    assert grey.shape == (2, 3, 16, 16)
    assert torch.equal(grey[:, 0], grey[:, 2])


def test_clients_of_a_published_split_are_one_pool(tmp_path: Path) -> None:
    pool = open_pool(pfllib_of_clients(tmp_path, -1.0))

    found = pool.read(torch.arange(8), 0, 0)

    assert (pool.count, pool.num_classes) == (8, 2)
    assert found.inputs[:, 0, 0, 0].tolist() == [0, 255] * 4
    assert found.labels.tolist() == [0, 0, 0, 0, 0, 1, 0, 1]


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected images, as bytes or scaled"):
        open_pool(pfllib_of_clients(tmp_path, -3.0))
    with pytest.raises(SettingsError, match="unknown source"):
        open_pool("nothing")


SHARES = Shares(target_fraction=0.1, known_fraction=0.2, unseen=97, auxiliary=50)


def test_unseen_images_are_never_shown() -> None:
    pool = open_pool("digits")
    images = deal(pool, pool, SHARES, 0, seed=0)

    assert len(images.unseen) == 97
    assert len(images.known) == 340  # a fifth of the other 1700
    assert len(images.material.target) == 170
    assert len(images.material.auxiliary) == 50
    assert len(images.held) == 1700
    unseen = {row.numpy().tobytes() for row in images.unseen.inputs}
    for seen in (images.known.inputs, images.material.target, images.material.auxiliary):
        # Digits are rarely alike to the last pixel.
        assert sum(row.numpy().tobytes() in unseen for row in seen) <= 1
    known = {row.numpy().tobytes() for row in images.known.inputs}
    assert all(row.numpy().tobytes() in known for row in images.material.target)
    assert (images.task.inputs, images.task.num_classes) == (Images(1, 8, 8), 10)


def test_auxiliary_images_take_the_targets_shape(tmp_path: Path) -> None:
    auxiliary = open_pool(folder_of_images(tmp_path, 6, grey=False, side=12))
    images = deal(open_pool("digits"), auxiliary, Shares(0.0, 0.01, 10, 0), 0, seed=0)

    assert images.material.auxiliary.shape == (6, 1, 8, 8)
    assert images.material.target.shape == (0, 1, 8, 8)


def test_unseen_images_that_are_shown_as_copies_are_counted(tmp_path: Path) -> None:
    source = folder_of_images(tmp_path / "own", 8, grey=True)
    pool = open_pool(source)
    assert deal(pool, pool, Shares(0.0, 0.4, 3, 0), 0, seed=0).notes == ()
    for path in [*(tmp_path / "own").rglob("*.png")]:
        copy = tmp_path / "others" / path.relative_to(tmp_path / "own")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    others = open_pool(f"folder:{tmp_path / 'others'}")
    assert deal(pool, others, Shares(0.0, 0.4, 3, 0), 0, seed=0).notes == (
        "3 of 3 unseen images are exact copies of images that are not: 3 auxiliary ones; "
        "attacks on them are of what was seen",
    )


def test_the_seed_deals() -> None:
    pool = open_pool("digits")
    first, second, other = (deal(pool, pool, SHARES, 0, seed).unseen.labels for seed in (0, 0, 1))

    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_attackers_must_know_two_images() -> None:
    pool = open_pool("digits")
    with pytest.raises(SettingsError, match=r"at least 2 of the 1797 .* got 1; raise it"):
        deal(pool, pool, Shares(0.0, 0.0005, 0, 1), 0, seed=0)
