"""What the command line of local federations takes."""

import argparse
from pathlib import Path

from local_federation.adapter_demo import ADAPTER_CLIENTS
from local_federation.compare import command
from local_federation.split_demo import SPLIT_NODES
from local_federation.text_demo import TEXT_CLIENTS
from strategies.common.typed_once import CommandLine
from strategies.methods import METHODS

DEMOS = ("demo", "demo-text", "demo-split", "demo-adapters")
# Clients are nodes, not simulated.
WITH_NODES = ("deploy", "attach")
_ROOT = Path(__file__).parent.parent
_DEMO_CLIENTS = 5
_MOST_GPUS = 64
_LARGEST_PORT = 65_535


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    reading = CommandLine(prog="python -m local_federation", description=__doc__)
    kinds = reading.add_subparsers(dest="kind", required=True)
    for kind, clients, text in (
        (
            "demo",
            _DEMO_CLIENTS,
            "DS-FL, FedKTL and Local on unlike models with few labels, simulated",
        ),
        ("demo-text", TEXT_CLIENTS, "DS-FL, FedProto and Local on unlike text models, simulated"),
        ("demo-split", SPLIT_NODES, "MocoSFL on 20 clients that hold two shards each, simulated"),
        (
            "demo-adapters",
            ADAPTER_CLIENTS,
            "FedDAT on five clients that ask about digits, simulated",
        ),
        ("simulate", 5, "one method, clients simulated on this machine or by Ray"),
        ("deploy", 3, "one method, a SuperLink and SuperNodes as separate processes"),
        ("attach", 3, "one method, on a SuperLink and SuperNodes that run already"),
    ):
        sub = kinds.add_parser(kind, help=text, description=text)
        sub.add_argument(
            "--clients", type=_from_one, default=clients, metavar="N", help="clients (%(default)s)"
        )
        sub.add_argument("--folder", type=Path, default=_ROOT / "runs", help="takes runs and logs")
        sub.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="a setting as TOML, e.g. rounds=5 or 'models=\"cnn,resnet8\"'; repeatable",
        )
        if kind not in WITH_NODES:
            _add_resources(sub)
        if kind == "attach":
            _add_standing(sub)
        if kind not in DEMOS:
            sub.add_argument("--method", choices=list(METHODS), default="fedktl")
            sub.add_argument("--name", help="name of the run (the method)")
            sub.add_argument(
                "--replace",
                action="store_true",
                help="play a run of that name anew, if one is there",
            )
            sub.add_argument(
                "--no-baseline", action="store_true", help="play no baseline beside it"
            )
    text = command.HELP
    comparing = kinds.add_parser("compare", help=text, description=text, epilog=command.EPILOG)
    command.add_arguments(comparing, _ROOT / "runs")
    _add_workers(comparing)
    return reading


def _add_standing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--superlink",
        type=_address,
        required=True,
        metavar="HOST:PORT",
        help="its address, which must never be reachable from outside",
    )
    parser.add_argument(
        "--root-certificates",
        type=Path,
        metavar="FILE",
        help="what its certificate is checked with; without it, no TLS",
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= _LARGEST_PORT:
        raise argparse.ArgumentTypeError(
            f"expected HOST:PORT, such as 127.0.0.1:8000, got {text!r}"
        )
    return host, int(port)


def _add_resources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="what carries the clients: processes of this machine, or Ray, which a cluster may "
        "have; the numbers are the same (%(default)s)",
    )
    _add_workers(parser)


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=command.number_or_auto,
        default=0,
        metavar="N|auto",
        help="clients at work at once (auto: as many as there are cores)",
    )
    parser.add_argument(
        "--gpus-per-client",
        type=_part_of_a_gpu,
        default=0.0,
        metavar="G",
        help="GPUs, or part of one, that a client at work has; 0 lets each see all (%(default)s)",
    )


def _from_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text!r}")
    return int(text)


def _part_of_a_gpu(text: str) -> float:
    try:
        part = float(text)
    except ValueError:
        part = -1.0
    if not 0 <= part <= _MOST_GPUS or not (part <= 1 or part.is_integer()):
        raise argparse.ArgumentTypeError(
            f"expected a part of a GPU in [0, 1] or a whole number of GPUs, got {text!r}"
        )
    return part
