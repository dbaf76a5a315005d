"""What a run names and this machine lacks is refused before anything is started."""

from pathlib import Path

import pytest
import torch
from rich.console import Console

from local_federation import this_machine
from local_federation.campaign import Campaign
from local_federation.compare.study import Study
from local_federation.host import Standing
from strategies.common.errors import NectarError, SettingsError
from tests.local_federation.commands import StartedError, refusing

Value = bool | int | float | str

LACKING: dict[str, tuple[dict[str, Value], str]] = {
    "data": ({"data": "images:/no/such"}, "images: expected a folder at /no/such, found none"),
    "a benchmark": (
        {"data": "digitgrid:no-such", "method": "feddat"},
        "digitgrid: expected one of the benchmarks domain, function, related, got 'no-such'",
    ),
    "questions": (
        {"data": "digitgrid:domain"},
        "setting data: expected samples without questions for method ",
    ),
    "no questions": (
        {"data": "digits", "method": "feddat"},
        "setting data: expected questions about images for method fed",
    ),
    "a vocabulary": (
        {"data": "sentences", "models": "fasttext", "vocabulary-file": "/no/words.txt"},
        "setting vocabulary-file: expected a file at /no/words.txt, found none",
    ),
    "files of clients": ({"data": "pfllib:/no/such"}, "pfllib: expected a folder at /no/such"),
    "open data": ({"open-data": "parquet:/no/such"}, "parquet: expected a folder at /no/such"),
    "a model": ({"models": "cnn,/no/such.py:Net"}, "expected a file /no/such.py, found none"),
    "weights": ({"weights": "/no/{model}.pt"}, "weights of cnn: expected the file /no/cnn.pt"),
    "a GPU": ({"device": "cuda"}, "setting device: expected cpu or auto, since this machine has"),
    "a server's GPU": ({"server-device": "cuda"}, "setting server-device: expected cpu or auto"),
    "a generator": (
        {"method": "fedktl", "generator": "stylegan:/no/such.pkl"},
        "generator stylegan:/no/such.pkl: expected a file at /no/such.pkl, found none",
    ),
    "a folder of a generator": (
        {"method": "fedktl", "generator": "diffusers:/no/such"},
        "generator diffusers:/no/such: no such folder; expected one, or a hub id owner/name",
    ),
    "a decoder": (
        {"method": "fedktl", "generator": "diffusers:stabilityai/sd-turbo", "diffusers.vae": "/no"},
        "setting diffusers.vae: /no: no such folder; expected one, or a hub id owner/name",
    ),
    "an expert": (
        {"method": "mocosfl", "mocosfl.expert": "/no/expert", "mocosfl.average-momentum": False},
        "setting mocosfl.expert: expected a file at /no/expert, found none",
    ),
    "a backbone": (
        {
            "data": "digitgrid:domain",
            "method": "feddat",
            "adapters.backbone": "folder:/no/such",
        },
        "backbone folder:/no/such: expected a folder at /no/such, found none",
    ),
}


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("name", LACKING)
def test_what_is_not_here_is_refused_by_simulations_and_by_comparisons(
    tmp_path: Path, name: str
) -> None:
    settings, told = {"method": "fd", **LACKING[name][0]}, LACKING[name][1]
    campaign = Campaign(tmp_path, 2, "engine", settings, start_engine=refusing)
    with pytest.raises(NectarError) as caught:
        campaign.play({"one": {}}, Console(quiet=True))
    assert told in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    method = str(settings.pop("method"))
    with pytest.raises(NectarError) as caught:
        Study((method,), (0,), {}, settings)
    assert told in str(caught.value)


def test_what_other_machines_hold_is_not_looked_for_here(tmp_path: Path) -> None:
    settings: dict[str, Value] = {"method": "fd", "data": "images:/no/such", "device": "cuda"}
    standing = Standing("127.0.0.1", 1, None)
    Campaign(tmp_path, 2, "nodes", settings, standing=standing).check({"one": {}})


def test_what_a_method_does_not_read_need_not_be_here(config: dict[str, Value]) -> None:
    absent: dict[str, Value] = {"generator": "stylegan:/no/such.pkl", "device": "cpu"}
    this_machine.check({**config, "server-device": "cpu", **absent, "method": "fd"})
    models: dict[str, Value] = {"models": "/no/such.py:Net", "adapters.backbone": "hub:a/b"}
    this_machine.check({**config, **models, "method": "splitfed"})
    this_machine.check({**config, **models, "data": "digitgrid:domain", "method": "feddat"})


@pytest.mark.parametrize("method", ["dsfl", "fedmd", "feddf"])
def test_open_data_that_are_missing_are_told_by_the_plan_of_a_comparison(method: str) -> None:
    with pytest.raises(SettingsError, match=f"open-data: expected samples .* method {method}"):
        Study((method,), (0,), {}, {})
    Study((method,), (0,), {}, {"open-data": "digits", "open-samples": 100})


def test_runs_within_the_data_are_refused(tmp_path: Path) -> None:
    settings: dict[str, Value] = {"data": f"images:{tmp_path}", "device": "cpu"}
    campaign = Campaign(tmp_path / "runs", 2, "engine", settings, start_engine=refusing)
    with pytest.raises(SettingsError, match="setting runs-dir: expected a place outside the data"):
        campaign.play({"one": {"method": "local"}}, Console(quiet=True))
    assert list(tmp_path.iterdir()) == []


def test_data_that_are_here_are_begun_with(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    settings: dict[str, Value] = {"data": f"images:{tmp_path / 'photos'}", "device": "cpu"}
    campaign = Campaign(tmp_path, 2, "engine", settings, start_engine=refusing)
    with pytest.raises(StartedError):
        campaign.play({"one": {"method": "local"}}, Console(quiet=True))
