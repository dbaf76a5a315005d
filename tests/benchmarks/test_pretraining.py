"""Pretraining: its data, its networks, and that it can be stopped and continued."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.pretraining.discriminator import Discriminator
from benchmarks.pretraining.images import read_unlabelled
from benchmarks.pretraining.trainer import Recipe, Trainer
from generators.stylegan import safetensors_file
from generators.stylegan.load import load
from strategies.common.errors import DataError

_CPU = torch.device("cpu")
_RECIPE = Recipe(
    channels=(8, 8),
    latent_dim=4,
    batch_size=4,
    learning_rate=0.01,
    penalty=1.0,
    average_images=50.0,
    mirror=True,
    seed=0,
)


def _images() -> torch.Tensor:
    """Return 16 pictures of 8 x 8: dark ones with one bright half."""
    images = torch.zeros(16, 3, 8, 8, dtype=torch.uint8)
    images[:, :, :, :4] = 255
    return images


def _weights(trainer: Trainer) -> list[torch.Tensor]:
    return [weight.clone() for weight in trainer.averaged().state_dict().values()]


def test_stopping_and_going_on_changes_nothing(tmp_path: Path) -> None:
    through = Trainer(_RECIPE, _images(), _CPU)
    losses = [through.step() for _ in range(18)]  # over the second gradient penalty

    stopped = Trainer(_RECIPE, _images(), _CPU)
    for _ in range(7):
        stopped.step()
    stopped.save(tmp_path / "checkpoint.pt")
    continued = Trainer(_RECIPE, _images(), _CPU)
    continued.load(tmp_path / "checkpoint.pt")

    assert continued.seen == 28
    assert [continued.step() for _ in range(11)] == losses[7:]
    for found, expected in zip(_weights(continued), _weights(through), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.thorough
def test_pictures_come_to_look_like_the_images() -> None:
    trainer = Trainer(_RECIPE, _images(), _CPU)
    noise = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    before = trainer.averaged()(noise).mean((0, 1))
    for _ in range(120):
        trainer.step()
    after = trainer.averaged()(noise).mean((0, 1))
    # Mirrored at random, so that left and right are bright equally often; what all images
    # share is that each column is of one brightness.
    wanted_spread = 0.3
    assert after.std(0).mean() < max(wanted_spread, 0.5 * before.std(0).mean())
    assert abs(float(after.mean())) < 0.5


def test_the_result_is_a_generator(tmp_path: Path) -> None:
    trainer = Trainer(_RECIPE, _images(), _CPU)
    trainer.step()
    path = tmp_path / "mine.safetensors"
    safetensors_file.write(safetensors_file.describe(trainer.averaged()), path)
    network = load(path)
    assert (network.z_dim, network.w_dim, network.num_ws, network.image_size) == (4, 4, 4, 8)
    assert float(network.mapping.w_avg.abs().sum()) > 0


def test_the_discriminator_sees_sameness() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Discriminator((8, 8))
    pictures = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    alone = network(pictures[:1].repeat(4, 1, 1, 1))
    assert torch.allclose(alone, alone[0].expand(4), atol=1e-5)
    assert not torch.allclose(network(pictures)[0], alone[0], atol=1e-4)


def _clients(folder: Path, low: float, high: float) -> str:
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True)
        x = np.full((2, 1, 4, 4), low, dtype=np.float32)
        x[1] = high
        held = np.array({"x": x, "y": np.array([0, 1])}, dtype=object)
        np.savez(folder / part / "0.npz", data=held)
    (folder / "config.json").write_text('{"num_classes": 2}')
    return f"pfllib:{folder}"


def test_clients_images_become_bytes_in_colour(tmp_path: Path) -> None:
    images = read_unlabelled(_clients(tmp_path / "data", -1.0, 1.0), 8)
    assert (images.shape, images.dtype) == ((4, 3, 8, 8), torch.uint8)
    assert images[:, :, 0, 0].tolist() == [[0] * 3, [255] * 3] * 2


def test_data_that_are_no_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected floats in \[-1, 1\], got \[0.0, 3.0\]"):
        read_unlabelled(_clients(tmp_path / "data", 0.0, 3.0), 8)
    with pytest.raises(DataError, match="expected parquet:, folder: or pfllib:, got 'digits'"):
        read_unlabelled("digits", 8)
