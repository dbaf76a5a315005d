"""A federation on a GPU: the same seed twice, against the CPU, and several on one card.

FedKTL with four unlike clients over a loopback grid in one process, generator and clients
on the card. Journals of the same seed must be equal; between CPU and card the largest
difference of each number is printed. Then clients' turns of one federation are played by
more and more processes at once, each with a CUDA context of its own, as a simulation that
shares a card does: memory per process and turns per second.

Run with ``python -m benchmarks.gpu_federation`` on a machine with a GPU.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from tests.loopback import Config, Federation, without_clocks

CLIENTS = 4
_SETTINGS: Config = {
    "method": "fedktl",
    "generator": "oriented",
    "models": "cnn,resnet4,resnet6,resnet8",
    "rounds": 3,
    "round-deadline-s": 600.0,
    "seed": 0,
}


def main() -> None:
    """Print all three comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--at-once", type=int, nargs="*", default=[1, 4, 8, 16])
    parser.add_argument("--seconds", type=float, default=12.0, help="per number of processes")
    options = parser.parse_args()
    console = Console()
    console.print(torch.cuda.get_device_name())
    first, second, on_cpu = (_journal(device, console) for device in ("cuda", "cuda", "cpu"))
    console.print(f"same seed twice on the card: {'equal' if first == second else 'unequal'}")
    for name, (size, place) in sorted(_differences(first, second).items()):
        console.print(f"  card against card, {name}: {size:.2e} of {place:.4g}")
    for name, (size, place) in sorted(_differences(first, on_cpu).items()):
        console.print(f"  card against CPU, {name}: {size:.2e} of {place:.4g}")
    for count in options.at_once:
        _share(count, options.seconds, console)


def _journal(device: str, console: Console) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        overrides: Config = {**_SETTINGS, "device": device, "server-device": device}
        begin = time.perf_counter()
        lines = Federation(Path(folder), CLIENTS, overrides).play()
        console.print(f"{device}: {time.perf_counter() - begin:.1f} s")
        return [without_clocks(line) for line in lines]


def _differences(one: list[Any], other: list[Any]) -> dict[str, tuple[float, float]]:
    """Return the largest difference of each kind of number, and the number there."""
    found: dict[str, tuple[float, float]] = {}
    for (name, a), (_, b) in zip(_numbers(one), _numbers(other), strict=True):
        if a != b and abs(a - b) > found.get(name, (0.0, 0.0))[0]:
            found[name] = (abs(a - b), a)
    return found


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Yield all numbers of a journal with the last words of their names."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            kept = name if str(key).lstrip("-").isdigit() else f"{name}.{key}".lstrip(".")
            yield from _numbers(entry, kept)
    elif isinstance(value, list):
        for entry in value:
            yield from _numbers(entry, name)
    elif isinstance(value, float):
        yield name, value


def _share(count: int, seconds: float, console: Console) -> None:
    context = multiprocessing.get_context("spawn")
    free_before = torch.cuda.mem_get_info()[0]
    ready, go = context.Barrier(count + 1), context.Barrier(count + 1)
    turns = context.Queue()
    processes = [
        context.Process(target=_train, args=(number, seconds, ready, go, turns))
        for number in range(count)
    ]
    for process in processes:
        process.start()
    ready.wait()
    used = free_before - torch.cuda.mem_get_info()[0]
    go.wait()
    done = [turns.get() for _ in processes]
    for process in processes:
        process.join()
    console.print(
        f"{count} at once: {used / count / 2**20:.0f} MiB each, "
        f"{sum(done) / seconds:.2f} turns per second together"
    )


def _train(number: int, seconds: float, ready: Any, go: Any, turns: Any) -> None:
    """Play one client's turns of Local with a ResNet-8, again and again."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        overrides: Config = {
            "method": "local",
            "models": "resnet8",
            "rounds": 1,
            "device": "cuda",
            "seed": number,
            "evaluate-every": 0,
        }
        Federation(Path(folder) / "warm", 1, overrides).play()
        ready.wait()
        go.wait()
        end, count = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            Federation(Path(folder) / str(count), 1, overrides).play()
            count += 1
        turns.put(count)


if __name__ == "__main__":
    main()
