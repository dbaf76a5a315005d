"""FedKTL with diffusion models on the server: tiny pipelines, whole federations."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from loopback import Federation, without_clocks

pytestmark = pytest.mark.federation

KINDS = ("sd", "xl")
ROUNDS = 2
SMALL = {
    "method": "fedktl",
    "models": "cnn",
    "data": "digits",
    "max-samples": 40,
    "feature-dim": 32,
    "rounds": ROUNDS,
    "fedktl.server-epochs": 30,
}


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from benchmarks.random_pipelines import Geometry, save

    folder = tmp_path_factory.mktemp("pipelines")
    for kind in KINDS:
        save(kind, folder / kind)
    # Latents of 4 x 64 x 64 = 16,384 numbers, as in Stable Diffusion 1.5.
    save("sd", folder / "wide", Geometry(sample_size=64))
    return folder


Played = tuple[list[Any], dict[str, bytes]]


@pytest.fixture(scope="module")
def first(pipelines: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Played]:
    """Return the journal and pictures of a kind's run, which is played once."""
    return cache(lambda kind: play(tmp_path_factory.mktemp(kind), pipelines / kind))


def play(folder: Path, pipeline: Path, **overrides: Any) -> Played:
    """Return the journal and the pictures of a run, by their paths in its folder."""
    changes = {key.replace("_", "-"): value for key, value in overrides.items()}
    named = {"generator": f"diffusers:{pipeline}", "diffusers.steps": 2}
    played = Federation(folder, 3, {**SMALL, **named, **changes})
    lines = [without_clocks(line) for line in played.play()]
    pictures = {
        str(file.relative_to(played.run_folder)): file.read_bytes()
        for file in sorted(played.run_folder.rglob("*.png"))
    }
    return lines, pictures


def assert_aligned(lines: list[Any]) -> None:
    """The transformer is kept over rounds: it falls in the first and stays down."""
    first = lines[0]["diagnostics"]["mmd_first"]
    assert all(line["diagnostics"]["mmd_last"] < 0.6 * first for line in lines)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.quick("sd")
def test_a_federation_aligns_and_draws(first: Callable[[str], Played], kind: str) -> None:
    lines, pictures = first(kind)
    assert [line["round"] for line in lines] == list(range(1, ROUNDS + 1))
    assert_aligned(lines)
    # From round 2 on, clients learn from images.
    assert all("transfer" in node["losses"] for node in lines[1]["nodes"].values())
    assert len(pictures) >= 10


def test_the_same_seed_draws_the_same(
    tmp_path: Path, pipelines: Path, first: Callable[[str], Played]
) -> None:
    assert play(tmp_path, pipelines / "sd") == first("sd")


@pytest.mark.thorough
def test_another_seed_draws_other_pictures(
    tmp_path: Path, pipelines: Path, first: Callable[[str], Played]
) -> None:
    _, others = play(tmp_path, pipelines / "sd", rounds=1, seed=1)
    assert others
    assert set(others.values()).isdisjoint(first("sd")[1].values())


@pytest.mark.thorough
def test_centroids_have_the_norm_of_noise_at_the_size_of_stable_diffusion(
    tmp_path: Path, pipelines: Path
) -> None:
    lines, _ = play(tmp_path, pipelines / "wide", rounds=1, **{"diffusers.steps": 1})
    for line in lines:
        found = line["diagnostics"]
        # sqrt(16384)
        assert found["latent_norm"] == pytest.approx(128, rel=0.01)
        assert found["centroid_norm"] == pytest.approx(found["latent_norm"], rel=0.1)
    assert_aligned(lines)
