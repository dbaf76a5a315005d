"""What a federation with a split method has to beat: each client alone, and the inputs alone.

Every client trains the whole network, front and back, on its own samples with the same
method, and is judged on the samples of all clients, as the federation is. The same
classifiers on inputs as they are say what needs no network at all.
"""

import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from local_federation.one_process import OneProcess
from server_app.alone_baseline import FILE, RAW_FILE, Baseline, RawBaseline
from strategies.common.new_file import whole

Config = Mapping[str, bool | int | float | str]


@final
@dataclass(frozen=True)
class _Task:
    config: Config
    client: int
    num_clients: int
    folder: Path


def play_alone(
    config: Config,
    num_clients: int,
    folder: Path,
    workers: int,
    watch: Callable[[int, int], None],
) -> tuple[Baseline, ...]:
    """Let every client train alone, several at a time.

    Parameters
    ----------
    config : Config
        Flat run config of a split method; ``rounds`` and ``evaluate-every`` say how long each
        client trains and how often it is judged. Its ``clients-per-node`` is not read.
    num_clients : int
        Clients among which the data are dealt.
    folder : Path
        Takes prepared data.
    workers : int
        Processes at work at once.
    watch : Callable[[int, int], None]
        Told how many of how many clients are done.

    Returns
    -------
    tuple[Baseline, ...]
        Each client's best, by client.
    """
    own = {**config, "clients-per-node": 1, "split.cohorts": 1}
    tasks = [_Task(own, client, num_clients, folder) for client in range(num_clients)]
    # Forked copies of a process that has started threads may hang.
    context = multiprocessing.get_context("spawn")
    found = []
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            for future in as_completed([pool.submit(_play_one, task) for task in tasks]):
                found.append(future.result())
                watch(len(found), num_clients)
        except BaseException:
            # The pool would wait for clients that have just begun.
            for process in multiprocessing.active_children():
                process.kill()
            raise
    return tuple(sorted(found, key=lambda baseline: baseline.client))


def judge_inputs(config: Config, num_clients: int, folder: Path) -> RawBaseline:
    """Judge inputs as they are on the samples of all clients; parameters as above."""
    told = OneProcess({**config, "clients-per-node": 1}, 0, num_clients, folder).assess_inputs()
    return RawBaseline(
        probe_accuracy=told["raw_probe_accuracy"], knn_accuracy=told["raw_knn_accuracy"]
    )


def save(baselines: tuple[Baseline, ...], raw: RawBaseline, run_dir: Path) -> None:
    """Write what there is to beat beside a run, for its report."""
    for name, entries in ((FILE, baselines), (RAW_FILE, (raw,))):
        text = json.dumps([asdict(entry) for entry in entries], indent=1)
        with whole(run_dir / name) as file:
            file.write_text(text + "\n")


def _play_one(task: _Task) -> Baseline:
    return max(_checkpoints(task), key=lambda baseline: baseline.probe_accuracy)


def _checkpoints(task: _Task) -> Iterator[Baseline]:
    process = OneProcess(task.config, task.client, task.num_clients, task.folder)
    for round_number in range(1, int(task.config["rounds"]) + 1):
        process.play(round_number)
        assessment = process.assess(round_number)
        if assessment is not None:
            told = assessment.said.diagnostics
            yield Baseline(
                client=task.client,
                round_number=round_number,
                probe_accuracy=told["probe_accuracy"],
                knn_accuracy=told["knn_accuracy"],
            )
