"""The demo of split activations: MocoSFL on twenty clients, each of them alone, and no network."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console

from local_federation import alone
from server_app.report import page
from server_app.report.alone_baseline import raw_sentence, sentence
from server_app.run_record import read_run_record
from strategies.common.errors import SettingsError
from strategies.common.long_work import LongWork
from strategies.common.run_config import default_config

Value = bool | int | float | str

SPLIT_NODES: Final = 2

# Minutes on two cores. Digits are enlarged, since a network that halves its maps three times
# would leave one pixel of eight; they are neither mirrored nor cut down to a twelfth.
SPLIT_SETTINGS: Final[Mapping[str, Value]] = {
    "method": "mocosfl",
    "data": "digits",
    "image-size": 16,
    "partition": "shards",
    "shards-per-client": 2,
    "min-train-samples": 4,
    "clients-per-node": 10,
    "rounds": 10,
    "evaluate-every": 2,
    "device": "cpu",
    "server-device": "cpu",
    "split.width": 8,
    "mocosfl.learning-rate": 0.03,
    "mocosfl.client-learning-rate": 0.03,
    "mocosfl.memory-size": 1024,
    "mocosfl.min-crop": 0.3,
    "mocosfl.flip": False,
    "mocosfl.probe-epochs": 50,
}
# A client alone passes its own samples at least once per step: more often than the whole
# federation's steps show them.
_ALONE: Final[Mapping[str, Value]] = {
    "rounds": 3,
    "evaluate-every": 1,
    "mocosfl.steps-per-round": 25,
    "mocosfl.semi-supervised": False,
}


def check(settings: Mapping[str, Value]) -> None:
    """Refuse settings with which clients alone and together could not be compared.

    Raises
    ------
    SettingsError
        If there is no linear probe, by which they are.
    """
    if settings.get("mocosfl.probe-epochs") == 0:
        raise SettingsError(
            "setting mocosfl.probe-epochs: expected at least 1 for demo-split, got 0; the demo "
            "compares the federation and each client alone by the linear probe"
        )


def alone_beside(
    run_dir: Path, settings: Mapping[str, Value], num_nodes: int, console: Console
) -> None:
    """Let each client of a run train alone, and put what comes of it into the run's report.

    Parameters
    ----------
    run_dir : Path
        Folder of the finished run.
    settings : Mapping[str, Value]
        Its settings that differ from the defaults.
    num_nodes : int
        Its nodes.
    console : Console
        Where to show progress.
    """
    config = {**default_config(), **settings, **_ALONE}
    clients = num_nodes * int(config["clients-per-node"])
    console.print("Now each client alone, on its own samples with the same method")
    with LongWork("clients", clients, console) as work, TemporaryDirectory() as folder:
        baselines = alone.play_alone(
            config,
            clients,
            Path(folder),
            os.cpu_count() or 1,
            lambda *_: work.advance(),
        )
        raw = alone.judge_inputs(config, clients, Path(folder))
    alone.save(baselines, raw, run_dir)
    page.write_report(run_dir)
    console.print(sentence(read_run_record(run_dir), baselines), soft_wrap=True)
    console.print(raw_sentence(read_run_record(run_dir)), soft_wrap=True)
