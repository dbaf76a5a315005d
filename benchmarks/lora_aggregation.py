"""How far three averages of low-rank updates are from the mean of products, and what that costs.

Three clients with ranks 4, 4 and 8. First factors drawn at random, the adverse case; then a
federation of FedLoRA on questions about grids of digits, once per way of averaging. All three
begin alike, so that the errors of their first round are those of the same trained factors.

Run with ``python -m benchmarks.lora_aggregation --backbone DIR``, the folder that
``python -m client_app.pretrain_backbone`` wrote.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
from rich.console import Console

from benchmarks.results import RESULTS, write_block
from server_app.run_record import read_run_record
from strategies.fedlora.lora_aggregation import naive, relative_error, stack, svd
from strategies.fedlora.lora_factors import LoraFactors
from strategies.fedlora.lora_shape import LoraShape, LoraTarget
from tests.loopback import Federation

RANKS: Final = (4, 4, 8)
WAYS: Final = ("stack", "svd", "naive")
# Layers and width of ViLT's query and value projections at base size.
_LAYERS, _WIDTH = 12, 768


def main() -> None:
    """Average in all ways and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", type=Path, required=True, help="folder of the tiny ViLT")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = "\n".join([*_rows(options.backbone.resolve(), options.rounds, options.seed), ""])
    Console().print(table, markup=False, soft_wrap=True)
    write_block("lora_aggregation", table)
    Console().print(f"written: {RESULTS}")


def _rows(backbone: Path, rounds: int, seed: int) -> Iterator[str]:
    yield (
        "| average | error, random factors | error, trained for a round | "
        f"error, mean of {rounds} rounds | accuracy, round {rounds} | rank | "
        "down per client, round |"
    )
    yield "|---" * 7 + "|"
    at_random = random_errors(seed)
    for way in WAYS:
        with tempfile.TemporaryDirectory() as folder:
            Federation(Path(folder), len(RANKS), _settings(way, backbone, rounds, seed)).play()
            lines = read_run_record(Path(folder) / "runs" / way).rounds
        errors = [line.diagnostics["aggregation_error"] for line in lines]
        last = lines[-1]
        yield (
            f"| `{way}` | {at_random[way]:.1e} | {errors[0]:.1e} | {statistics.mean(errors):.1e} | "
            f"{100 * last.scores['shared']:.1f} % | {last.diagnostics['update_rank']:.0f} | "
            f"{last.downlink_bytes // len(RANKS):,} B |"
        )


def random_errors(seed: int) -> dict[str, float]:
    """Return the relative error of every average of Gaussian factors, uniform weights."""
    generator = torch.Generator().manual_seed(seed)
    shape = LoraShape(tuple(LoraTarget(f"{n}", _WIDTH, _WIDTH) for n in range(2 * _LAYERS)))
    factors = [
        LoraFactors.of(
            shape, rank, (torch.randn(size, generator=generator) for _, size in shape.keys(rank))
        )
        for rank in RANKS
    ]
    weights = [1.0] * len(RANKS)
    averages = {
        "stack": stack(factors, weights),
        "svd": svd(factors, weights, max(RANKS)),
        "naive": naive(factors, weights),
    }
    return {way: relative_error(found, factors, weights) for way, found in averages.items()}


def _settings(
    way: str, backbone: Path, rounds: int, seed: int
) -> dict[str, bool | int | float | str]:
    return {
        "method": "fedlora",
        "fedlora.aggregation": way,
        "fedlora.ranks": ",".join(map(str, RANKS)),
        "data": "digitgrid:related",
        "max-samples": 600,
        "test-fraction": 1 / 3,
        "batch-size": 32,
        "rounds": rounds,
        "evaluate-every": rounds,
        "adapters.backbone": f"folder:{backbone}",
        "adapters.learning-rate": 0.004,
        "seed": seed,
        "run-name": way,
    }


if __name__ == "__main__":
    main()
