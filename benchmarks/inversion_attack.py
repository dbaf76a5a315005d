"""What a client model gives away, and what it costs to give away less.

An undefended client model and one trained against decoders (TAResSFL), both pretrained for
the same steps on the same images from the same weights, are attacked with all that the server
has; a linear probe and the kNN monitor say what their features are worth, beside the same two
on raw pixels. Small by default: the digits, a narrow network, minutes on one core.

Run with ``python -m benchmarks.inversion_attack --out FOLDER``; for CIFAR-10 with
``--data parquet:DIR --auxiliary hub:uoft-cs/cifar100 --width 64`` and more of everything.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import torch
from rich.console import Console
from rich.progress import Progress, TaskID
from torch import Tensor

from benchmarks.results import over_seeds
from strategies.common import seeds
from strategies.common.round import Picture
from strategies.common.run_config import default_config, read_run, read_table
from strategies.common.samples import Samples, ordered_batches, prepare
from strategies.common.split.settings import SplitSettings
from strategies.common.training import EVALUATION_BATCH
from strategies.common.transport.compute import threads
from strategies.mocosfl.classifiers import linear_probe, nearest_neighbours
from strategies.mocosfl.features import Features
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.taressfl.verdict import Verdict
from taressfl.examination import Exhibits, examine, turns
from taressfl.image_pool import open_pool
from taressfl.image_shares import Images, Shares, deal
from taressfl.intercept import travelled
from taressfl.session import Recipe, Session
from taressfl.settings import AttackSettings, PretrainingSettings

VARIANTS = {"undefended": False, "TAResSFL": True}
# The paper's 200 would be a seventh of all digits.
NEIGHBOURS = 20


@final
@dataclass(frozen=True)
class Result:
    """One client model, attacked and evaluated.

    Attributes
    ----------
    verdict : Verdict
        What attackers reached.
    pictures : tuple[Picture, ...]
        What the best one made of unseen images.
    knn, probe : float
        Accuracy on unseen images, in [0, 1].
    raw_knn, raw_probe : float
        The same on raw pixels, without any network.
    """

    verdict: Verdict
    pictures: tuple[Picture, ...]
    knn: float
    probe: float
    raw_knn: float
    raw_probe: float


def main() -> None:
    """Train, attack, evaluate, and print the table."""
    options = _options()
    results: dict[str, list[Result]] = {name: [] for name in VARIANTS}
    with Progress(console=Console(stderr=True)) as progress, threads(options.threads):
        for seed in options.seeds:
            images, bank = _images(options, seed)
            for name, defended in VARIANTS.items():
                recipe = _recipe(options, images, seed, defended=defended)
                task = progress.add_task(f"{name}, seed {seed}")
                result = _measure(recipe, images, bank, _attack(options), progress, task)
                _write(result.pictures, options.out / name / f"seed-{seed}")
                results[name].append(result)
    sys.stdout.write(_table(results, options))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--data", default="digits", help="target images")
    parser.add_argument("--auxiliary", default="digits", help="images to pretrain on")
    parser.add_argument("--target-fraction", type=float, default=0.0, help="target images too")
    parser.add_argument("--auxiliary-images", type=int, default=0, help="at most; 0 for all")
    parser.add_argument("--known-fraction", type=float, default=0.1, help="known to attackers")
    parser.add_argument("--unseen", type=int, default=400, help="images that test everything")
    parser.add_argument("--labelled", type=int, default=10_000, help="for the classifiers, at most")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--cut", type=int, default=1)
    parser.add_argument("--bottleneck", default="C4S2")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=0.005, help="of all parts")
    parser.add_argument("--memory", type=int, default=256, help="keys; far fewer than images")
    parser.add_argument("--min-crop", type=float, default=0.4)
    parser.add_argument("--flip", action="store_true", help="not for digits")
    parser.add_argument("--ssim-target", type=float, default=0.6)
    parser.add_argument("--ssim-weight", type=float, default=0.5)
    parser.add_argument("--decoder", default="res_normN1C16", help="trained against")
    parser.add_argument("--decoder-steps", type=int, default=3)
    parser.add_argument("--decoder-lifetime", type=int, default=400)
    parser.add_argument("--attackers", default="res_normN1C16,res_N2C32")
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--attack-epochs", type=int, default=50)
    parser.add_argument("--small", default="conv_C32,conv_C64,dense_C256,dense_C1024")
    parser.add_argument("--informed-steps", type=int, default=4000, help="with all images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def _images(options: argparse.Namespace, seed: int) -> tuple[Images, Samples]:
    """Return the images, and labelled ones for the classifiers."""
    shares = Shares(
        options.target_fraction, options.known_fraction, options.unseen, options.auxiliary_images
    )
    target = open_pool(options.data)
    images = deal(target, open_pool(options.auxiliary), shares, 0, seed)
    return images, target.read(images.held[: options.labelled], 0, 0)


def _recipe(options: argparse.Namespace, images: Images, seed: int, *, defended: bool) -> Recipe:
    config = {
        **default_config(),
        "seed": seed,
        "server-device": options.device,
        "split.width": options.width,
        "split.cut": options.cut,
        "split.bottleneck": options.bottleneck,
        "mocosfl.memory-size": options.memory,
        "mocosfl.learning-rate": options.learning_rate,
        "mocosfl.projection-hidden": 128,
        "mocosfl.projection-dim": 128,
        "mocosfl.min-crop": options.min_crop,
        "mocosfl.flip": options.flip,
    }
    pretraining = PretrainingSettings(
        epochs=options.epochs,
        batch=options.batch,
        learning_rate=options.learning_rate,
        momentum=0.9,
        weight_decay=5e-4,
        ssim_target=options.ssim_target,
        ssim_weight=options.ssim_weight if defended else 0.0,
        decoder=options.decoder,
        decoders=2,
        decoder_steps=options.decoder_steps,
        decoder_learning_rate=1e-3,
        decoder_lifetime=options.decoder_lifetime,
    )
    split = read_table(config, "split", SplitSettings)
    mocosfl = read_table(config, "mocosfl", MocoSFLSettings)
    return Recipe(read_run(config), split, mocosfl, pretraining, images.task)


def _attack(options: argparse.Namespace) -> AttackSettings:
    return AttackSettings(
        decoders=options.attackers,
        repetitions=options.repetitions,
        epochs=options.attack_epochs,
        batch=32,
        learning_rate=1e-3,
        validation=0.1,
        small=options.small,
        informed_steps=options.informed_steps,
        refinement_steps=300,
        threshold=0.02,
    )


def _measure(
    recipe: Recipe,
    images: Images,
    bank: Samples,
    attackers: AttackSettings,
    progress: Progress,
    task: TaskID,
) -> Result:
    session = Session(recipe, images.material)
    progress.update(task, total=session.steps + turns(attackers, len(session.decoders)))
    for number in range(1, recipe.pretraining.epochs + 1):
        epoch = session.epoch(number, lambda: progress.advance(task))
    for note in epoch.notes:
        progress.console.print(note)
    examination = examine(
        session.front,
        Exhibits(images.known.inputs, images.unseen.inputs, images.others, session.decoders),
        travelled(recipe.split),
        attackers,
        seeds.derive(recipe.run.seed, "attack"),
        session.device,
        lambda: progress.advance(task),
    )
    knn, probe = _accuracies(session, bank, images.unseen, recipe)
    raw = _raw_accuracies(bank, images.unseen, recipe)
    return Result(examination.verdict, examination.pictures, knn, probe, *raw)


def _accuracies(
    session: Session, bank: Samples, test: Samples, recipe: Recipe
) -> tuple[float, float]:
    """Return the accuracy of nearest neighbours of keys, and of a linear probe on features."""
    features = [_features(session, part) for part in (bank, test)]
    keys, queries = (
        replace(part, features=session.state.online.project(part.features).detach())
        for part in features
    )
    return _judged((keys, queries), (features[0], features[1]), recipe)


def _raw_accuracies(bank: Samples, test: Samples, recipe: Recipe) -> tuple[float, float]:
    """Return the same two accuracies of pixels as a network would read them."""
    rows = tuple(
        Features(prepare(part.inputs).flatten(1), part.labels, torch.zeros_like(part.labels))
        for part in (bank, test)
    )
    return _judged((rows[0], rows[1]), (rows[0], rows[1]), recipe)


def _judged(
    directions: tuple[Features, Features], features: tuple[Features, Features], recipe: Recipe
) -> tuple[float, float]:
    classes = recipe.task.num_classes
    neighbours = nearest_neighbours(*directions, num_classes=classes, neighbours=NEIGHBOURS)
    generator = seeds.generator(recipe.run.seed, "linear-probe")
    probe = linear_probe(*features, num_classes=classes, generator=generator)
    return neighbours.accuracy, probe.last.accuracy


@torch.no_grad()
def _features(session: Session, samples: Samples) -> Features:
    inputs = prepare(samples.inputs.to(session.device))
    parts: list[Tensor] = [
        session.state.online.features(session.front(inputs[part]))
        for part in ordered_batches(len(inputs), EVALUATION_BATCH)
    ]
    labels = samples.labels.to(session.device)
    return Features(torch.cat(parts), labels, torch.zeros_like(labels))


def _write(pictures: Sequence[Picture], folder: Path) -> None:
    from PIL import Image  # noqa: PLC0415 - not needed to print the help

    folder.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        pixels = picture.pixels.permute(1, 2, 0).contiguous().numpy()
        Image.fromarray(pixels).save(folder / f"{picture.name}.png")


def _table(results: dict[str, list[Result]], options: argparse.Namespace) -> str:
    lines = [
        f"{options.data}, client model of width {options.width} cut at {options.cut} with "
        f"{options.bottleneck or 'no bottleneck'}, {options.epochs} epochs, seeds "
        f"{', '.join(map(str, options.seeds))}; of all attackers the best, on {options.unseen} "
        f"unseen images.\n\n",
        "| client model | MSE | SSIM | PSNR in dB | blind guess, MSE | resistant | kNN, % | "
        "linear probe, % | raw kNN, % | raw linear probe, % |\n",
        "|---" * 10 + "|\n",
    ]
    for name, found in results.items():
        worst = [result.verdict.worst.quality for result in found]
        cells = [
            name,
            _spread([quality.mse for quality in worst], 4),
            _spread([result.verdict.highest_ssim for result in found], 2),
            _spread([quality.psnr for quality in worst], 1),
            _spread([result.verdict.blind.mse for result in found], 4),
            f"{sum(result.verdict.resistant for result in found)} of {len(found)}",
            over_seeds([result.knn for result in found]),
            over_seeds([result.probe for result in found]),
            over_seeds([result.raw_knn for result in found]),
            over_seeds([result.raw_probe for result in found]),
        ]
        lines.append("| " + " | ".join(cells) + " |\n")
    return "".join([*lines, *_attackers_of(results, options.seeds)])


def _attackers_of(results: dict[str, list[Result]], seeds_of: Sequence[int]) -> Iterator[str]:
    """Yield every attacker's own numbers, and which one came closest."""
    yield "\n| seed | client model | attacker | MSE | SSIM |\n" + "|---" * 5 + "|\n"
    for name, found in results.items():
        for seed, result in zip(seeds_of, found, strict=True):
            for one in result.verdict.findings:
                won = " (won)" if one == result.verdict.worst else ""
                numbers = f"{one.quality.mse:.4f}{won} | {one.quality.ssim:.2f}"
                yield f"| {seed} | {name} | {one.attacker} | {numbers} |\n"


def _spread(values: Sequence[float], digits: int) -> str:
    """Return mean and sample standard deviation over seeds."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f}"


if __name__ == "__main__":
    main()
