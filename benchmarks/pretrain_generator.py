"""Pretrain a small StyleGAN2 at 32 pixels on unlabelled images.

It exists to measure what pretraining is worth to FedKTL: the result is named as
``generator=stylegan:OUT``. Non-saturating loss, R1 and a running mean of the weights, with
Nectar's own modules. Training stops after a number of minutes and goes on from its
checkpoint when started again, on a GPU where there is one.

Run with ``python -m benchmarks.pretrain_generator parquet:DIR --out cifar10.safetensors``.
"""

import argparse
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeRemainingColumn

from benchmarks.pretraining.images import read_unlabelled
from benchmarks.pretraining.trainer import Recipe, Trainer
from generators.stylegan import safetensors_file
from strategies.common.transport.compute import torch_device

SIDE = 32
SAVE_EVERY_S = 120.0


def main() -> None:
    """Train for the given time and write the running mean."""
    options = _options()
    console = Console()
    torch.set_num_threads(options.threads)
    images = read_unlabelled(options.data, SIDE)
    recipe = Recipe(
        channels=(128, 128, 64, 32),
        latent_dim=64,
        batch_size=32,
        learning_rate=0.002,
        penalty=options.penalty,
        average_images=20_000,
        mirror=not options.no_mirror,
        seed=options.seed,
    )
    trainer = Trainer(recipe, images, torch_device(options.device))
    checkpoint = options.out.with_suffix(".checkpoint.pt")
    if checkpoint.exists():
        trainer.load(checkpoint)
        console.print(f"going on after {trainer.seen:,} images: {checkpoint}")
    size = sum(weight.numel() for weight in trainer.network.parameters())
    console.print(f"{len(images):,} images, generator of {size:,} parameters")
    _train(trainer, options, checkpoint, console)
    trainer.save(checkpoint)
    safetensors_file.write(safetensors_file.describe(trainer.averaged()), options.out)
    console.print(f"written: {options.out} after {trainer.seen:,} images")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="parquet:DIR, folder:DIR or pfllib:DIR")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--minutes", type=float, default=45.0, help="of this call")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--penalty", type=float, default=0.1, help="weight of R1")
    parser.add_argument("--no-mirror", action="store_true", help="for digits and letters")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _train(
    trainer: Trainer, options: argparse.Namespace, checkpoint: Path, console: Console
) -> None:
    begin = saved = time.monotonic()
    first = trainer.seen
    with Progress(
        *Progress.get_default_columns()[:-1],
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
        console=console,
    ) as progress:
        task = progress.add_task("training", total=options.minutes * 60, told="")
        while (elapsed := time.monotonic() - begin) < options.minutes * 60:
            losses = trainer.step()
            told = (
                f"{trainer.seen:,} images, {(trainer.seen - first) / max(elapsed, 1):.0f} per "
                f"second, losses {losses[0]:.2f} {losses[1]:.2f}"
            )
            progress.update(task, completed=elapsed, told=told)
            if time.monotonic() - saved > SAVE_EVERY_S:
                saved = time.monotonic()
                trainer.save(checkpoint)
                safetensors_file.write(safetensors_file.describe(trainer.averaged()), options.out)
                if not console.is_terminal:
                    console.print(told)


if __name__ == "__main__":
    main()
