"""Command line: ``python -m generators preview oriented --out grid.png``."""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console

from generators.appearance import appearance
from generators.build import build, check
from generators.checksum import require_sha256, sha256
from generators.preview import Drawn, draw, latent_statistics, write_sheet
from generators.run_centroids import RunCentroids, read_centroids
from strategies.common import seeds
from strategies.common.errors import GeneratorError, NectarError, SettingsError
from strategies.common.home import expanded
from strategies.common.image_generator import ImageGenerator
from strategies.common.long_work import LongWork
from strategies.common.new_file import require_picture_place
from strategies.common.out_of_memory import is_out_of_memory
from strategies.common.run_config import RunConfig, flatten
from strategies.common.settings_changes import read_changes
from strategies.common.typed_once import CommandLine

_EXAMPLES = """\
examples:
  python -m generators preview oriented --out grid.png
  python -m generators preview stylegan:stylegan3-t-afhqv2-512x512.pkl --out cats.png \\
      --sha256 <64 digits> --count 16 --device cuda
  python -m generators preview diffusers:<folder or hub id> --out cat.png --count 4 \\
      --set 'diffusers.prompt="a cat"'
  python -m generators preview oriented --out run.png --centroids runs/<run-name>

Look at the picture before a run, and read what is printed beside it. With --centroids the
upper images are drawn from a run's latent centroids, by class, and the lower ones from
random latents: where a run goes well, both are of one kind and classes differ.
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        sys.stdout.write(_preview(options))
    except NectarError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(
        prog="python -m generators", description="Tools for the server's image generators."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "preview",
        help="draw samples into a PNG file and print what is known of them",
        description="Draw samples of a generator into a PNG file. Print numbers on its latents\n"
        "and images, its speed and memory, and a warning where images cannot be right.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("spec", help="generator, as in the setting of that name")
    command.add_argument("--out", type=Path, required=True, help="PNG file to write")
    command.add_argument("--count", type=int, default=36, help="number of samples (36)")
    command.add_argument("--seed", type=int, default=0, help="of the samples (0)")
    command.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where to draw (cpu)"
    )
    command.add_argument(
        "--centroids",
        type=Path,
        metavar="CHECKPOINT",
        help="run folder, or one of its checkpoints: draw its latent centroids above the samples",
    )
    command.add_argument(
        "--sha256",
        type=_sha256,
        metavar="HEX",
        help="refuse the generator's file if it has another sum; without, the sum is printed",
    )
    command.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, as TOML, e.g. oriented.image-size=64; may be repeated",
    )
    return parser


def _sha256(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(f"expected 64 hexadecimal digits, got {text!r}")
    return text.lower()


def _preview(options: argparse.Namespace) -> str:
    if options.count < 1:
        raise SettingsError(f"--count: expected at least 1, got {options.count}")
    options.out = expanded(options.out, "--out ")
    require_picture_place("--out", options.out)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SettingsError("--device: no GPU is visible to torch here; use --device cpu")
    check(options.spec)
    config = _read_config(Path("pyproject.toml"), options.changes, options.spec)
    told = [_check_file(options.spec, options.sha256)]
    centroids = read_centroids(options.centroids) if options.centroids else None
    with _explained_memory(options):
        generator = build(options.spec, config, torch.device(options.device))
        told += [f"{name}: {decision}\n" for name, decision in generator.decisions.items()]
        told += _look(generator, centroids, options)
    return "".join(told)


@contextmanager
def _explained_memory(options: argparse.Namespace) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise GeneratorError(
            f"{options.spec}: does not fit into the memory of {options.device}; close what else "
            f"uses it, lower --count or the generator's own sizes, or name another --device: "
            f"{error!s:.200}"
        ) from None


def _check_file(spec: str, expected: str | None) -> str:
    """Tell the sum of the file that a generator is named by, before anything reads it."""
    argument = spec.partition(":")[2]
    file = expanded(argument, "generator ")
    if argument and file.is_file():
        if expected:
            require_sha256(file, expected)
        return f"file: {file}, SHA-256 {expected or sha256(file)}\n"
    if expected:
        raise SettingsError(
            f"--sha256: expected a generator that is one file, e.g. stylegan:<file>, got {spec!r}; "
            f"folders and names on a hub have no sum of their own"
        )
    return ""


def _look(
    generator: ImageGenerator, centroids: RunCentroids | None, options: argparse.Namespace
) -> list[str]:
    """Draw, write the picture, and describe what was found line by line."""
    if centroids is not None:
        centroids.require_width(options.spec, generator.latent_dim)
    randomness = seeds.generator(options.seed, "preview")
    latents = generator.sample_latents(options.count, randomness)
    parts = {"images": latents}
    if centroids is not None:
        parts = {"centroids": centroids.vectors.to(latents.device), **parts}
    drawn = _draw_all(generator, parts)
    columns = write_sheet([part.images for part in drawn.values()], options.out)
    found = latent_statistics(generator, randomness)
    height, width = generator.image_shape[1:]
    told = [
        f"sheet: {options.out}, {columns} columns of {height} x {width} pixels\n",
        f"latents: {generator.latent_dim} components, mean {found.mean:.3f}, "
        f"variance {found.variance:.3f}, length {found.norm:.2f}, "
        f"median squared distance {found.median_squared_distance:.1f}\n",
    ]
    if centroids is not None:
        classes = ", ".join(map(str, centroids.labels))
        told.append(
            f"run: {centroids.file}, centroids of classes {classes} in this order, mean length "
            f"{centroids.vectors.norm(dim=1).mean():.2f}\n"
        )
    for name, part in drawn.items():
        told += _describe(name, part)
    return told


def _draw_all(generator: ImageGenerator, parts: dict[str, torch.Tensor]) -> dict[str, Drawn]:
    console = Console(stderr=True)
    drawn = {}
    for name, latents in parts.items():
        with LongWork(f"drawing {name}", len(latents), console) as work:
            drawn[name] = draw(generator, latents, work.advance)
    return drawn


def _describe(name: str, drawn: Drawn) -> list[str]:
    look = appearance(drawn.images)
    apart = "" if look.distance is None else f", {look.distance:.1f} apart from each other"
    memory = drawn.peak_gpu_bytes
    peak = "" if memory is None else f", at most {memory / 2**30:.2f} GiB on the GPU"
    return [
        f"{name}: {len(drawn.images)}, {drawn.images_per_second:.3g} per second{peak}\n",
        f"{name}, in levels of 255: brightness {look.brightness:.1f}, contrast "
        f"{look.contrast:.1f}, sharpness {look.sharpness:.1f}{apart}; "
        f"{look.clipped:.1%} of values clipped\n",
        *(f"warning: {name} {doubt}\n" for doubt in look.doubts()),
    ]


def _read_config(project: Path, changes: Sequence[str], spec: str) -> RunConfig:
    """Read the defaults of the project file, and the changes to the generator's own."""
    own = f"{spec.partition(':')[0]}."
    changed = read_changes(changes)
    if unread := [key for key in changed if not key.startswith(own)]:
        raise SettingsError(
            f"--set {unread[0]}: expected a setting of this generator, {own}NAME, got "
            f"{changed[unread[0]]!r}, which it does not read; leave it out"
        )
    try:
        text = project.read_text(encoding="utf-8")
        defaults = flatten(tomllib.loads(text)["tool"]["flwr"]["app"]["config"])
    except (FileNotFoundError, KeyError):
        raise SettingsError(
            f"{project.resolve()}: expected [tool.flwr.app.config] in it; "
            f"run this in the project's folder"
        ) from None
    return {**defaults, **changed}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
