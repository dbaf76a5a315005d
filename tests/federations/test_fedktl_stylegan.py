"""FedKTL with StyleGAN files on the server: whole federations over loopback."""

import tomllib
from pathlib import Path

import pytest
from loopback import Federation, without_clocks

from generators.__main__ import main
from strategies.common.errors import GeneratorError
from tests.generators.stylegan import tiny
from tests.generators.stylegan.published import publish
from tests.generators.stylegan.published_stylegan2 import (
    published_generator,
    published_stylegan2,
)
from tests.generators.stylegan.published_stylegan3 import published_stylegan3

pytestmark = pytest.mark.federation

SMALL = {
    "method": "fedktl",
    "models": "cnn",
    "data": "digits",
    "max-samples": 80,
    "rounds": 2,
    "fedktl.server-epochs": 20,
}


@pytest.fixture(name="stylegan2")
def _stylegan2(tmp_path: Path) -> Path:
    network = tiny.stylegan2()
    path = tmp_path / "stylegan2.pkl"
    tree = published_generator(network, published_stylegan2(network.synthesis_network))
    path.write_bytes(publish(tree))
    return path


@pytest.fixture(name="stylegan_xl")
def _stylegan_xl(tmp_path: Path) -> Path:
    network = tiny.stylegan_xl()
    synthesis = network.synthesis_network
    path = tmp_path / "xl.pkl"
    tree = published_stylegan3(synthesis.config, synthesis.state_dict(), "xl")
    path.write_bytes(publish(published_generator(network, tree), dilled=True, cuda=True))
    return path


def test_a_published_file_is_named_and_runs(tmp_path: Path, stylegan2: Path) -> None:
    played = Federation(tmp_path / "run", 3, {**SMALL, "generator": f"stylegan:{stylegan2}"})
    lines = played.play()
    assert all("transfer" in node["losses"] for node in lines[1]["nodes"].values())
    assert len(list(played.run_folder.rglob("*.png"))) == 20  # ten classes, two rounds
    # What was automatic stands in the run's folder as it came out: StyleGAN's lambda.
    saved = tomllib.loads((played.run_folder / "settings.toml").read_text())
    assert saved["settings"]["fedktl.alignment-weight"] == 0.1
    assert saved["settings"]["fedktl.mmd-bandwidths"] == "stylegan"

    again = Federation(tmp_path / "again", 3, {**SMALL, "generator": f"stylegan:{stylegan2}"})
    assert [without_clocks(line) for line in again.play()] == [*map(without_clocks, lines)]


def test_a_runs_centroids_can_be_looked_at(
    tmp_path: Path, stylegan_xl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = f"stylegan:{stylegan_xl}"
    played = Federation(tmp_path / "run", 2, {**SMALL, "rounds": 1, "generator": spec})
    played.play()
    saved = tomllib.loads((played.run_folder / "settings.toml").read_text())
    assert saved["settings"]["fedktl.alignment-weight"] == 1.0  # StyleGAN-XL's

    out = tmp_path / "sheet.png"
    options = ["--out", str(out), "--count", "4", "--centroids", str(played.run_folder)]
    assert main(["preview", spec, *options]) == 0
    assert "centroids" in capsys.readouterr().out
    assert out.stat().st_size > 0


def test_a_bad_file_stops_the_run_before_any_device_works(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pkl"
    broken.write_bytes(b"\x80\x04not a pickle")
    played = Federation(tmp_path / "run", 2, {**SMALL, "generator": f"stylegan:{broken}"})
    with pytest.raises(GeneratorError, match=r"broken\.pkl: expected a network pickle"):
        played.play()
    assert played.grid.sent == []
    assert not played.run_folder.exists()
