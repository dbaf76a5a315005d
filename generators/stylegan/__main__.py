"""Command line: ``python -m generators.stylegan convert IN.pkl OUT.safetensors``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from generators.stylegan.load import convert
from strategies.common.errors import GeneratorError, NectarError
from strategies.common.new_file import require_place
from strategies.common.typed_once import CommandLine

_EPILOG = """\
examples:
  python -m generators.stylegan convert stylegan3-t-afhqv2-512x512.pkl afhqv2.safetensors
  python -m generators preview stylegan:afhqv2.safetensors --out afhqv2.png
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        sys.stdout.write(_convert(options))
    except NectarError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(
        prog="python -m generators.stylegan",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "convert",
        help="write a published pickle as safetensors",
        description="Write the generator of a StyleGAN2-ADA, StyleGAN3 or StyleGAN-XL pickle as a "
        "safetensors file. Nothing that the pickle holds is executed.",
    )
    command.add_argument("source", type=Path, help="published pickle")
    command.add_argument("target", type=Path, help="safetensors file to write")
    command.add_argument("--sha256", default="", help="refuse a pickle with another SHA-256")
    command.add_argument("--force", action="store_true", help="replace an existing file")
    return parser


def _convert(options: argparse.Namespace) -> str:
    target: Path = options.target
    if target.exists() and not options.force:
        raise GeneratorError(f"{target}: exists already; name another file or add --force")
    require_place(str(target), target, replace=options.force)
    network = convert(options.source, target, options.sha256, replace=options.force)
    size = target.stat().st_size / 1e6
    return (
        f"{target}: {size:.1f} MB, images {network.image_size} x {network.image_size}, "
        f"z {network.z_dim}, classes {network.c_dim}, {network.num_ws} latents of width "
        f"{network.w_dim}\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
