"""Command line: ``python -m generators preview oriented --out grid.png``."""

import argparse
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import torch

from generators.build import build
from generators.preview import preview
from strategies.common import seeds
from strategies.common.errors import NectarError, SettingsError
from strategies.common.settings import RunConfig, flatten


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
    parser = argparse.ArgumentParser(prog="python -m generators")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("preview", help="draw a grid of samples into a PNG file")
    command.add_argument("spec", help="generator, as in the setting of that name")
    command.add_argument("--out", type=Path, required=True, help="PNG file to write")
    command.add_argument("--count", type=int, default=36, help="number of samples")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    command.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, as TOML, e.g. oriented.image-size=64; may be repeated",
    )
    return parser


def _preview(options: argparse.Namespace) -> str:
    if options.count < 1:
        raise SettingsError(f"--count: expected at least 1, got {options.count}")
    if not options.out.parent.is_dir():
        raise SettingsError(f"--out: expected an existing folder, got {options.out.parent}")
    config = _read_config(Path("pyproject.toml"), options.changes)
    generator = build(options.spec, config, torch.device(options.device))
    found = preview(generator, options.count, seeds.generator(0, "preview"), options.out)
    height, width = generator.image_shape[1:]
    return (
        f"images: {options.count} in {options.out}, {height} x {width} pixels, "
        f"{found.images_per_second:.0f} per second\n"
        f"latents: {generator.latent_dim} components, mean {found.latent_mean:.3f}, "
        f"variance {found.latent_variance:.3f}, "
        f"median squared distance {found.median_squared_distance:.1f}\n"
    )


def _read_config(project: Path, changes: Sequence[str]) -> RunConfig:
    """Read the defaults of the project file, and the changes to them."""
    try:
        text = project.read_text(encoding="utf-8")
        defaults = flatten(tomllib.loads(text)["tool"]["flwr"]["app"]["config"])
    except (FileNotFoundError, KeyError):
        raise SettingsError(
            f"{project.resolve()}: expected [tool.flwr.app.config] in it; "
            f"run this in the project's folder"
        ) from None
    try:
        return {**defaults, **flatten(tomllib.loads("\n".join(changes)))}
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"--set: expected KEY=VALUE as TOML, got {', '.join(changes)}: {error}"
        ) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
