"""Command line: ``python -m taressfl --data digits ... --out front.safetensors``.

Pretrains a client model against decoders at the server (TAResSFL's first stage), attacks it
with all that the server has (its images, these decoders, fresh and small networks, ridge
regression), and writes it for runs of MocoSFL with ``mocosfl.expert``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from client_app.data import sources
from strategies import tables
from strategies.common import seeds
from strategies.common.errors import NectarError
from strategies.common.home import expanded
from strategies.common.long_work import LongWork
from strategies.common.new_file import require_place
from strategies.common.run_config import AnySettings, read_run, read_table
from strategies.common.settings_changes import changed_config, read_changes
from strategies.common.split.settings import SplitSettings
from strategies.common.transport.compute import threads
from strategies.common.typed_once import CommandLine
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.taressfl import expert
from strategies.mocosfl.taressfl.expert import Provenance
from strategies.mocosfl.taressfl.verdict import Verdict
from taressfl.examination import Examination, Exhibits, examine, turns
from taressfl.image_pool import open_pool
from taressfl.image_shares import Images, Shares, deal
from taressfl.intercept import travelled
from taressfl.session import Epoch, Recipe, Session
from taressfl.settings import AttackSettings, PretrainingSettings

RESISTANT, REFUSED, NOT_RESISTANT = 0, 2, 3

Value = bool | int | float | str
# Default and meaning of each setting; taressfl/settings.py says more.
PRETRAINING: dict[str, tuple[Value, str]] = {
    "epochs": (200, "passes over the auxiliary images"),
    "batch": (128, "images of the target, and as many auxiliary ones, in each step"),
    "learning-rate": (0.06, "step size of the client model at the start"),
    "momentum": (0.9, "of the client model's SGD"),
    "weight-decay": (5e-4, "of the client model's SGD"),
    "ssim-target": (0.6, "similarity above which the client model is pushed (s*)"),
    "ssim-weight": (2.0, "strength of the push (lambda); 0 for an undefended client model"),
    "decoder": ("res_normN4C64", "capacity of the decoders trained against"),
    "decoders": (2, "decoders side by side; the best reader counts"),
    "decoder-steps": (3, "steps of each decoder for one of the client model"),
    "decoder-learning-rate": (1e-3, "of the decoders' Adam"),
    "decoder-lifetime": (2000, "steps after which a decoder is replaced; 0 never"),
}
ATTACK: dict[str, tuple[Value, str]] = {
    "decoders": ("res_normN4C64,res_N2C32", "capacities of the attackers"),
    "repetitions": (3, "attackers of each capacity"),
    "epochs": (50, "passes over the known images"),
    "batch": (32, "images per step"),
    "learning-rate": (1e-3, "of the attackers' Adam"),
    "validation": (0.1, "part of the known images that chooses the epoch"),
    "small": ("conv_C32,conv_C64,dense_C256,dense_C1024", "small attackers on all images"),
    "informed-steps": (4000, "steps of each attacker that learns from all images"),
    "refinement-steps": (300, "steps by which the best reconstructions are refined; 0 for none"),
    "threshold": (0.02, "MSE that no attacker may come down to"),
}
_EXAMPLES = """\
examples:
  python -m taressfl --data digits --auxiliary folder:/data/letters \\
      --out front.safetensors --set split.bottleneck='"C4S2"' --set mocosfl.flip=false
  python -m taressfl --data parquet:/data/cifar10 \\
      --auxiliary hub:uoft-cs/cifar100 --out front.safetensors --set split.cut=2 \\
      --set split.bottleneck='"C4S2"' --set server-device='"cuda"'

The network, the contrast, the seed, the device and the size of images are the settings of a
run: defaults stand in pyproject.toml, and --set changes them as --run-config does. Use the
expert with the same ones, as mocosfl.expert="front.safetensors".

The attack is counted in steps, not in seconds: each of --attack-decoders and --attack-small and
each decoder that was trained against takes --attack-informed-steps steps with all images, beside
--attack-repetitions times --attack-epochs passes over the known images.
For 8-pixel digits and eight small attackers that was 7 minutes of one busy core; the default
decoders on 32-pixel images want a GPU, or fewer steps.

exit codes: 0 written and resistant, 3 written but not resistant, 2 nothing written.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        verdict = _pretrain(options, console)
    except NectarError as error:
        console.print(f"{type(error).__name__}: {error}", markup=False, highlight=False)
        return REFUSED
    return RESISTANT if verdict.resistant else NOT_RESISTANT


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(
        prog="python -m taressfl",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, help="target images, as in the setting data")
    parser.add_argument("--auxiliary", required=True, help="auxiliary images, likewise")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--replace", action="store_true", help="replace a file that is there")
    parser.add_argument(
        "--target-fraction",
        type=_fraction,
        default=0.01,
        help="part of the target images that is trained on, 0 for none (0.01)",
    )
    parser.add_argument(
        "--known-fraction",
        type=_fraction,
        default=0.01,
        help="part of the target images that attackers know (0.01)",
    )
    parser.add_argument(
        "--unseen", type=_count, default=128, help="target images that test the attackers (128)"
    )
    parser.add_argument(
        "--auxiliary-images",
        type=_count,
        default=0,
        help="auxiliary images at most (all there are)",
    )
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a run's setting, as TOML, e.g. split.cut=2; may be repeated",
    )
    _add(parser, "pretraining", "", PRETRAINING)
    _add(parser, "attack on the finished client model", "attack-", ATTACK)
    return parser


def _add(
    parser: argparse.ArgumentParser,
    title: str,
    prefix: str,
    table: dict[str, tuple[Value, str]],
) -> None:
    group = parser.add_argument_group(title)
    for name, (default, told) in table.items():
        group.add_argument(
            f"--{prefix}{name}", type=type(default), default=default, help=f"{told} ({default})"
        )


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a part from 0 to 1, got {text}")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text}")
    return value


def _pretrain(options: argparse.Namespace, console: Console) -> Verdict:
    options.out = expanded(options.out, "--out ")
    require_place("--out", options.out, replace=options.replace)
    for spec in (options.data, options.auxiliary):
        sources.parse(spec).require_apart("--out", options.out)
    config = changed_config(options.changes)
    given = read_changes(options.changes)
    tables.check_read(given, [{**config, "method": "mocosfl"}])
    run = read_run(config)
    split = read_table(config, "split", SplitSettings)
    mocosfl = read_table(config, "mocosfl", MocoSFLSettings)
    pretraining = _table(options, "pretraining", "", PRETRAINING, PretrainingSettings)
    attackers = _table(options, "attack", "attack_", ATTACK, AttackSettings)
    shares = Shares(
        options.target_fraction, options.known_fraction, options.unseen, options.auxiliary_images
    )
    images = deal(
        open_pool(options.data), open_pool(options.auxiliary), shares, run.image_size, run.seed
    )
    for note in images.notes:
        console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    recipe = Recipe(run, split, mocosfl, pretraining, images.task)
    with threads(run.server_threads):
        session = Session(recipe, images.material)
        last = _train(session, pretraining.epochs, console)
        examination = _examine(session, recipe, images, attackers, console)
    provenance = Provenance(
        target=options.data,
        auxiliary=options.auxiliary,
        target_images=len(images.material.target),
        auxiliary_images=len(images.material.auxiliary),
        steps=session.steps,
        ssim_target=pretraining.ssim_target,
        ssim_weight=pretraining.ssim_weight,
        codec=split.codec,
        seed=run.seed,
        notes=(*images.notes, *last.notes),
    )
    expert.save(options.out, session.expert(provenance, examination))
    _report(examination.verdict, last, options.out, console)
    return examination.verdict


def _table(
    options: argparse.Namespace,
    name: str,
    prefix: str,
    table: dict[str, tuple[Value, str]],
    kind: type[AnySettings],
) -> AnySettings:
    given = {key: getattr(options, prefix + key.replace("-", "_")) for key in table}
    return read_table({f"{name}.{key}": value for key, value in given.items()}, name, kind)


def _train(session: Session, epochs: int, console: Console) -> Epoch:
    with LongWork("pretraining", session.steps, console) as work:
        for number in range(1, epochs + 1):
            epoch = session.epoch(number, work.advance)
            console.print(
                f"epoch {number}: loss {epoch.loss:.2f}, "
                f"{100 * epoch.contrast_accuracy:.0f} % find their key, "
                f"SSIM {epoch.similarity.mean:.2f}, "
                f"{100 * epoch.similarity.pushed:.0f} % of steps pushed",
                highlight=False,
            )
    return epoch


def _examine(
    session: Session,
    recipe: Recipe,
    images: Images,
    attackers: AttackSettings,
    console: Console,
) -> Examination:
    total = turns(attackers, len(session.decoders))
    with LongWork("attacks", total, console) as work:
        return examine(
            session.front,
            Exhibits(images.known.inputs, images.unseen.inputs, images.others, session.decoders),
            travelled(recipe.split),
            attackers,
            seeds.derive(recipe.run.seed, "attack"),
            session.device,
            work.advance,
        )


def _report(verdict: Verdict, last: Epoch, out: Path, console: Console) -> None:
    console.print(_table_of(verdict))
    for note in last.notes:
        console.print(f"warning: {note}", highlight=False)
    console.print(verdict.describe(), highlight=False)
    console.print(f"written: {out}", highlight=False)


def _table_of(verdict: Verdict) -> Table:
    """Put all attackers below each other, and mark those that came closest."""
    columns = ("attacker", "MSE", "SSIM", "PSNR in dB", "won by")
    table = Table(*columns, title="reconstruction of unseen images")
    rows = [(finding.attacker, finding.quality) for finding in verdict.findings]
    for name, quality in [*rows, ("blind guess", verdict.blind)]:
        won = ["MSE"] if quality == verdict.worst.quality else []
        won += ["SSIM"] if quality.ssim == verdict.highest_ssim else []
        numbers = (f"{quality.mse:.4f}", f"{quality.ssim:.3f}", f"{quality.psnr:.2f}")
        table.add_row(name, *numbers, ", ".join(won))
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
