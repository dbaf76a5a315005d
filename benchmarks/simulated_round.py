"""Wall time of a simulated round against the bare PyTorch loops of the same clients.

Ten clients on CIFAR-10, two workers. The floor is the sum of the bare training and
evaluation loops over the clients, divided by the number of workers; the loops run in as
many processes at once as there are workers, so that both sides share the machine alike.
What is above the floor is Nectar's and Flower's: messages, Ray, reading data and states,
saving them, aggregation and the journal.

Run with ``python -m benchmarks.simulated_round FOLDER``, where FOLDER holds CIFAR-10 in
the hub's parquet layout.
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console
from torch.nn import functional

from client_app.devices.message_device import LocalDevice
from client_app.node import read_node
from local_federation.campaign import Campaign
from local_federation.engine.resources import Resources
from local_federation.host import Settings
from strategies.common.samples import ordered_batches, prepare, shuffled_batches
from strategies.common.settings import default_config, read_run

CLIENTS = 10
WORKERS = 2


def main() -> None:
    """Measure a simulated run and the bare loops, and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with CIFAR-10's parquet files")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--models", default="cnn,resnet8")
    parser.add_argument("--max-samples", type=int, default=2000)
    parser.add_argument("--engine", choices=["engine", "ray"], default="engine")
    arguments = parser.parse_args()
    console = Console()
    settings: Settings = {
        "method": "local",
        "data": f"parquet:{arguments.data.resolve()}",
        "partition": "iid",
        "models": arguments.models,
        "max-samples": arguments.max_samples,
        "rounds": arguments.rounds,
        "device": "cpu",
        "server-device": "cpu",
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        campaign = Campaign(folder, CLIENTS, arguments.engine, settings, Resources(WORKERS))
        campaign.play({"run": {}}, console)
        lines = (folder / "run" / "rounds.jsonl").read_text().splitlines()
        rounds = [float(json.loads(line)["seconds"]["total"]) for line in lines][1:]
        state = folder / ".federation" / "state"
        with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
            jobs = [(partition, settings, str(state)) for partition in range(CLIENTS)]
            loops = pool.starmap(bare_loop, jobs, chunksize=1)
    floor = sum(loops) / WORKERS
    simulated = statistics.median(rounds)
    console.print(
        f"simulated round: median {simulated:.2f} s of {len(rounds)} rounds "
        f"({min(rounds):.2f} to {max(rounds):.2f})\n"
        f"bare loops: {sum(loops):.2f} s over {CLIENTS} clients / {WORKERS} workers = "
        f"{floor:.2f} s\nratio: {simulated / floor:.2f}"
    )


def bare_loop(partition: int, settings: Settings, state: str) -> float:
    """Return the seconds of one client's plain training epoch and evaluation.

    Data and model are ready before the clock starts; the median of three epochs counts.
    """
    torch.set_num_threads(1)
    run = read_run({**default_config(), **settings, "state-dir": state})
    node = read_node({"partition-id": partition, "num-partitions": CLIENTS})
    device = LocalDevice(node, run, round_number=1)
    model, train, test = device.build_model(), device.train, device.test
    optimiser = torch.optim.SGD(model.parameters(), run.learning_rate)
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        model.train()
        order = device.generator("batches")
        for index in shuffled_batches(len(train), run.batch_size, order):
            loss = functional.cross_entropy(
                model(prepare(train.inputs[index])), train.labels[index]
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        model.eval()
        with torch.no_grad():
            for part in ordered_batches(len(test), 256):
                model(prepare(test.inputs[part])).argmax(1)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
