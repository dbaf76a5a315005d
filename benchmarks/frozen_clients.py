"""Clients with a frozen model: what defending it, freezing it and sending once each cost.

First a client model is pretrained twice from auxiliary images with the same steps, once
against decoders (TAResSFL) and once undefended, and attacked. Then twenty clients with two
shards of digits each train with MocoSFL: with client models of their own, with either frozen
one, and with the defended one while sending activations in the first rounds alone.

Run with ``python -m benchmarks.frozen_clients FOLDER --auxiliary pfllib:DIR`` (MNIST, say).
The table goes into ``docs/results.md`` between its markers, and what the attackers made of
images into the picture beside it.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import torch
from rich.console import Console
from torch.nn import functional

from benchmarks.raw_inputs import raw_beside
from benchmarks.results import RESULTS, complete, over_seeds, write_block
from local_federation.campaign import Campaign
from local_federation.split_demo import SPLIT_NODES, SPLIT_SETTINGS
from server_app.run_record import RunRecord, read_run_record
from strategies.mocosfl.taressfl import expert
from strategies.mocosfl.taressfl.verdict import Verdict
from taressfl import __main__ as pretrain_front

Value = bool | int | float | str

PICTURE: Final = RESULTS.parent / "pictures" / "frozen_clients.png"
_MAGNIFIED: Final = 4

SETTINGS: Final[Mapping[str, Value]] = {
    **SPLIT_SETTINGS,
    "split.width": 16,
    "split.bottleneck": "C4S2",
    "mocosfl.semi-supervised": False,
}
# Strength of the push away from what decoders can read (lambda).
FRONTS: Final[Mapping[str, float]] = {"undefended": 0.0, "defended": 0.5}
# Small decoders and short attacks, as benchmarks.inversion_attack has them.
_PRETRAINING = [
    "--target-fraction=0",
    "--known-fraction=0.1",
    "--unseen=400",
    "--batch=64",
    "--learning-rate=0.03",
    "--decoder=res_normN1C16",
    "--decoder-lifetime=400",
    "--attack-decoders=res_normN1C16,res_N2C32",
    "--attack-repetitions=1",
]


@final
@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes
    ----------
    name : str
        Name of its runs, without the seed.
    title : str
        What it is.
    front : str | None
        Which pretrained client model is frozen; ``None`` where clients train theirs.
    sends_once : bool
        Whether activations are sent in the first rounds alone.
    """

    name: str
    title: str
    front: str | None
    sends_once: bool = False


def main() -> None:
    """Play what is missing and write the table."""
    options = _options()
    console = Console()
    once = f"frozen, TAResSFL, sent in {options.cache_rounds} of {options.rounds} rounds"
    rows = (
        Row("trained", "clients train it", None),
        Row("undefended", "frozen, undefended", "undefended"),
        Row("defended", "frozen, TAResSFL", "defended"),
        Row("once", once, "defended", sends_once=True),
    )
    folder = options.folder.resolve()
    for seed in options.seeds:
        for front in FRONTS:
            _pretrain(folder / f"{front}-{seed}.safetensors", front, seed, options)
        for row in rows:
            name = f"{row.name}-{seed}"
            settings = _settings(folder, row, seed, options)
            if not complete(folder / name / name, settings):
                campaign = Campaign(folder / name, SPLIT_NODES, "engine", settings, replace=True)
                campaign.play({name: {}}, console)
    write_block("frozen_clients", _table(folder, rows, options.seeds))
    _draw(folder, options.seeds[0])
    console.print(f"written: {RESULTS}, {PICTURE}", soft_wrap=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to keep client models and runs")
    parser.add_argument("--auxiliary", required=True, help="images to pretrain on, as in data")
    parser.add_argument("--auxiliary-images", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=10, help="of pretraining (%(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="of 50 steps (%(default)s)")
    parser.add_argument("--cache-rounds", type=int, default=2, help="of the last row")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    return parser.parse_args()


def _pretrain(path: Path, front: str, seed: int, options: argparse.Namespace) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    own = {**SETTINGS, "seed": seed}
    changes = [f"--set={name}={_as_toml(value)}" for name, value in own.items()]
    code = pretrain_front.main(
        [
            "--data=digits",
            f"--auxiliary={options.auxiliary}",
            f"--auxiliary-images={options.auxiliary_images}",
            f"--epochs={options.epochs}",
            f"--ssim-weight={FRONTS[front]}",
            f"--out={path}",
            *_PRETRAINING,
            *changes,
        ]
    )
    if code == pretrain_front.REFUSED:
        raise SystemExit(code)


def _as_toml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _settings(
    folder: Path, row: Row, seed: int, options: argparse.Namespace
) -> Mapping[str, Value]:
    settings: dict[str, Value] = {**SETTINGS, "seed": seed, "rounds": options.rounds}
    if row.front:
        settings["mocosfl.expert"] = str(folder / f"{row.front}-{seed}.safetensors")
    if row.sends_once:
        settings["mocosfl.cache-rounds"] = options.cache_rounds
    return settings


def _table(folder: Path, rows: Sequence[Row], seeds: Sequence[int]) -> str:
    lines = [
        "| client model | attacker's MSE | SSIM | kNN before | kNN | linear probe | up | down |",
        "|---" * 8 + "|",
    ]
    for row in rows:
        runs = [read_run_record(folder / f"{row.name}-{n}" / f"{row.name}-{n}") for n in seeds]
        verdicts = [
            expert.load(folder / f"{row.front}-{n}.safetensors", None).description.verdict
            for n in seeds
            if row.front
        ]
        lines.append(f"| {row.title} | {_attacks(verdicts)} | {_learnt(runs)} | {_sent(runs)} |")
    raw = [
        raw_beside(
            folder / f"{rows[0].name}-{n}" / f"{rows[0].name}-{n}",
            {**SETTINGS, "seed": n},
            SPLIT_NODES,
        )
        for n in seeds
    ]
    judged = over_seeds([one.knn_accuracy for one in raw])
    probed = over_seeds([one.probe_accuracy for one in raw])
    return "\n".join(
        [*lines, f"| raw pixels, no network | - | - | - | {judged} | {probed} | - | - |", ""]
    )


def _draw(folder: Path, seed: int) -> None:
    """Write a sheet: per client model a row of images, each beside its reconstruction."""
    from PIL import Image  # noqa: PLC0415 - not needed to print the help

    drawn = [expert.load(folder / f"{front}-{seed}.safetensors", None).pictures for front in FRONTS]
    # A white frame around every pair.
    framed = [functional.pad(pictures, (2, 2, 2, 2), value=255) for pictures in drawn]
    rows = [torch.cat(list(pictures), dim=2) for pictures in framed]
    sheet = Image.fromarray(torch.cat(rows, dim=1).permute(1, 2, 0).contiguous().numpy())
    large = sheet.resize(
        (_MAGNIFIED * sheet.width, _MAGNIFIED * sheet.height), Image.Resampling.NEAREST
    )
    PICTURE.parent.mkdir(exist_ok=True)
    large.save(PICTURE)


def _attacks(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return "- | -"
    errors = ", ".join(f"{verdict.worst.quality.mse:.4f}" for verdict in verdicts)
    return f"{errors} | {', '.join(f'{verdict.highest_ssim:.2f}' for verdict in verdicts)}"


def _learnt(runs: Sequence[RunRecord]) -> str:
    before = [run.rounds[0].diagnostics["untrained_knn_accuracy"] for run in runs]
    after = [run.rounds[-1].diagnostics for run in runs]
    found = (before, *([d[name] for d in after] for name in ("knn_accuracy", "probe_accuracy")))
    return " | ".join(map(over_seeds, found))


def _sent(runs: Sequence[RunRecord]) -> str:
    """Return what all clients together sent and received in a whole run."""
    totals = [
        statistics.mean(
            sum(
                node.payload_bytes.get(f"{way}/stream", 0)
                for line in run.rounds
                for node in line.answered.values()
            )
            for run in runs
        )
        for way in ("up", "down")
    ]
    return " | ".join(f"{total / 1e6:.0f} MB" for total in totals)


if __name__ == "__main__":
    main()
