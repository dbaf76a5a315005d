"""MocoSFL with the published ResNet-18 on CIFAR-10, as far as a number of minutes goes.

A hundred clients of two classes each, one sample of each in every step, client models up to
the first module. Both halves run in one process, on a GPU where there is one, without the
stream; the numbers are those of a federation. Two rounds tell how many steps fit, so that
the step size falls to zero within the time.

Run with ``python -m benchmarks.mocosfl_resnet18 FOLDER --minutes 15``, where FOLDER holds
CIFAR-10 in the hub's parquet layout. Each assessment is a line of JSON in ``--out``.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.mocosfl_cifar10 import STEPS_PER_ROUND, hundred_clients
from local_federation.one_process import OneProcess
from strategies.common.run_config import RunConfig, default_config
from strategies.common.transport.compute import torch_device

_TRIAL_ROUNDS = 2
# Assessments take part of the time: one at the start, in the middle and at the end.
_SHARE_OF_TRAINING = 0.85


def main() -> None:
    """Measure the speed, choose the number of steps, and train."""
    options = _options()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        rounds = options.steps // STEPS_PER_ROUND
        if options.minutes:
            seconds = _seconds_per_round(options, Path(folder))
            console.print(f"{1000 * seconds / STEPS_PER_ROUND:.1f} ms per step")
            fitting = int(options.minutes * 60 * _SHARE_OF_TRAINING / seconds)
            rounds = max(_TRIAL_ROUNDS, min(rounds, fitting))
        _train(options, rounds, Path(folder), console)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with CIFAR-10's parquet files")
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines to append to")
    parser.add_argument("--minutes", type=float, default=0.0, help="at most; 0 for all steps")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--width", type=int, default=64, help="64 is the published ResNet-18")
    parser.add_argument("--max-samples", type=int, default=600, help="per client, with its test")
    parser.add_argument("--probe-epochs", type=int, default=100)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _config(options: argparse.Namespace, rounds: int) -> RunConfig:
    return {
        **default_config(),
        **hundred_clients(options),
        "rounds": rounds,
        "evaluate-every": max(1, rounds // 2),
        "client-threads": options.threads,
        "server-threads": options.threads,
        "split.cut": 1,
        "mocosfl.probe-epochs": options.probe_epochs,
    }


def _seconds_per_round(options: argparse.Namespace, folder: Path) -> float:
    """Return what a round takes once everything is warm."""
    process = OneProcess(_config(options, options.steps // STEPS_PER_ROUND), 0, 1, folder)
    for round_number in range(1, _TRIAL_ROUNDS + 1):
        begin = time.perf_counter()
        process.play(round_number)
        taken = time.perf_counter() - begin
    return taken


def _train(options: argparse.Namespace, rounds: int, folder: Path, console: Console) -> None:
    process = OneProcess(_config(options, rounds), 0, 1, folder)
    begin = time.perf_counter()
    for round_number in range(rounds + 1):
        losses = dict(process.play(round_number).diagnostics) if round_number else {}
        assessed = process.assess(round_number)
        told = {} if assessed is None else dict(assessed.said.diagnostics)
        line = {
            "step": round_number * STEPS_PER_ROUND,
            "steps_of_run": rounds * STEPS_PER_ROUND,
            "minutes": round((time.perf_counter() - begin) / 60, 2),
            "card": _card(options),
            **losses,
            **told,
        }
        with options.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if told or round_number % 10 == 0:
            console.print(json.dumps(line), soft_wrap=True)


def _card(options: argparse.Namespace) -> str:
    device = torch_device(options.device)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


if __name__ == "__main__":
    main()
