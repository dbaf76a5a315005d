"""The federations whose models leave: each client of each finds samples of its own."""

from pathlib import Path

from benchmarks.exported_clients import plays
from client_app.data import prepared
from models import catalogue
from strategies.common.run_config import default_config, read_run


def test_every_architecture_of_the_zoo_has_a_client_that_finds_samples(tmp_path: Path) -> None:
    alone = [play for play in plays(["digits"], tmp_path) if play.settings["method"] == "local"]
    named = {name for play in alone for name in str(play.settings["models"]).split(",")}
    assert set(catalogue.MODELS) <= named
    for play in alone:
        run = read_run({**default_config(), **play.settings})
        last = play.clients - 1
        own = prepared.load(run, run.data, last, play.clients, tmp_path / f"of {play.name[-5:]}")
        assert len(own.train) > 0, play.name
