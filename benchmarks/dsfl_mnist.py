"""DS-FL on MNIST in shards: what entropy reduction brings, what it costs, and who can spoil it.

After sections 4 and 5 of the paper (Itahara et al., https://arxiv.org/abs/2008.06180): twenty
clients have two shards of images each, ten thousand images without labels are open, a thousand of
them asked about in a round, and everybody is tested on the same 1,000 images that nobody learnt
from. ERA, simple aggregation (SA) and the enhanced rule play beside FedAvg and Local. With
``--attacks``, a part of the clients has labels drawn by lot, or a part of the open images has its
pixels shuffled, or one client learns every class as the next, and as FedAvg's takes over the mean
(model replacement), or pulls it a few times as far as an honest one.

Run with ``python -m benchmarks.dsfl_mnist FOLDER --images DIR`` (PFLlib's folder of MNIST, whose
images are pooled and dealt anew). What is there already is not played again. The tables go into
``docs/results.md`` between their markers, the curves into the picture beside it.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
from flwr.app import Message
from matplotlib.figure import Figure
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from benchmarks.hostile_attacks import Attack, weights_in, with_upload
from benchmarks.mnist_network import NETWORK, WIDTH
from benchmarks.mnist_pool import CLASSES, Pool, pooled, write
from benchmarks.results import RESULTS, complete, over_seeds, write_block
from local_federation.campaign import Campaign
from server_app.run_record import RunRecord, read_run_record
from strategies.common.open_server_model import SCORE
from tests.loopback import Federation

Value = bool | int | float | str

PICTURE: Final = RESULTS.parent / "pictures" / "dsfl_mnist.png"
CLIENTS: Final = 20
_SHARDS: Final = 2
_PER_CLIENT: Final = 400
_OPEN: Final = 10_000
_JUDGES: Final = 1000
_FIRST_NODE: Final = 100
# Rounds after which all test, and DS-FL's server model comes down for that.
_EVERY: Final = 5

_DSFL: Final[Mapping[str, Value]] = {
    "method": "dsfl",
    "dsfl.server-model": NETWORK,
    "dsfl.samples-per-round": 1000,
    "dsfl.distill-batch-size": 50,
    "dsfl.distill-epochs": 2,
    "dsfl.distill-learning-rate": 0.05,
}
# By name: title in the tables, and the settings that make it.
METHODS: Final[Mapping[str, tuple[str, Mapping[str, Value]]]] = {
    "local": ("Local", {"method": "local"}),
    "fedavg": ("FedAvg", {"method": "fedavg"}),
    "sa": ("DS-FL, SA", {**_DSFL, "dsfl.aggregation": "mean"}),
    "era": ("DS-FL, ERA", _DSFL),
    "power": ("DS-FL, power 2", {**_DSFL, "dsfl.aggregation": "power", "dsfl.power": 2.0}),
}
SMALLER: Final[Mapping[str, tuple[str, Mapping[str, Value]]]] = {
    "era-8-bits": ("ERA, 8 bits", {**_DSFL, "dsfl.upload-bits": 8}),
    "era-top-2": ("ERA, top 2, 4 bits", {**_DSFL, "dsfl.upload-top": 2, "dsfl.upload-bits": 4}),
}
SETTINGS: Final[Mapping[str, Value]] = {
    "models": NETWORK,
    "feature-dim": WIDTH,
    "local-epochs": 2,
    "batch-size": 50,
    "learning-rate": 0.05,
    "evaluate-every": _EVERY,
    "writers": "",
    "device": "cpu",
}
_ATTACKED: Final = ("fedavg", "sa", "era")
# How often one client's change of the mean counts: as often as there are clients, or less than
# the bound of what is typical of a round, which depends on what honest clients do.
_TIMES: Final = {"model": float(CLIENTS), "pull": 5.0}


@final
@dataclass(frozen=True)
class Case:
    """What is played.

    Attributes
    ----------
    attack : str
        ``"none"``, ``"labels"`` of some clients, ``"open"`` images, or the ``"model"`` of one
        client, or its ``"pull"``.
    share : float
        Of clients, or of open images.
    """

    attack: str = "none"
    share: float = 0.0

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.attack}-{100 * self.share:g}"

    @property
    def tampered(self) -> int:
        """How many clients are not honest, the last ones."""
        return round(self.share * CLIENTS) if self.attack in ("labels", *_TIMES) else 0


def main() -> None:
    """Play what is missing, and write tables and picture."""
    options = _options()
    console = Console()
    stage = _Stage(options.folder.resolve(), pooled(options.images), options, console)
    honest = {name: stage.runs(Case(), name) for name in (*METHODS, *SMALLER)}
    write_block("dsfl_mnist", _table(honest))
    _draw({name: honest[name] for name in METHODS if name != "local"})
    if not options.attacks:
        return
    attacks = [Case("labels", share) for share in options.shares]
    attacks += [Case("open", share) for share in options.shares]
    attacks += [Case(attack, 1 / CLIENTS) for attack in _TIMES]
    found = {case: {n: stage.runs(case, n) for n in _ATTACKED} for case in attacks}
    write_block("dsfl_attacks", _attack_table(honest, found))
    console.print(f"written: {RESULTS}, {PICTURE}", soft_wrap=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to keep data and runs")
    parser.add_argument("--images", type=Path, required=True, help="PFLlib's folder of MNIST")
    parser.add_argument("--rounds", type=int, default=20, help="(%(default)s)")
    parser.add_argument("--attacks", action="store_true", help="play those as well")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.3, 0.6])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    return parser.parse_args()


@final
class _Stage:
    """Deals and plays."""

    def __init__(
        self, folder: Path, every: Pool, options: argparse.Namespace, console: Console
    ) -> None:
        self._folder, self._every = folder, every
        self._options, self._console = options, console

    def runs(self, case: Case, name: str) -> list[RunRecord]:
        """Return the runs of all seeds."""
        # Shuffled open images are nothing to a method that reads none, and there is no change to
        # multiply where none is sent.
        played = Case() if case.attack == "open" and name in ("local", "fedavg") else case
        if case.attack == "pull" and name != "fedavg":
            played = Case("model", case.share)
        return [self._run(played, name, seed) for seed in self._options.seeds]

    def _run(self, case: Case, name: str, seed: int) -> RunRecord:
        place = self._folder / "data" / f"{case.name}-seed-{seed}"
        _deal(place, self._every, case, seed)
        settings = {
            **SETTINGS,
            **{**METHODS, **SMALLER}[name][1],
            "data": f"pfllib:{place}/dealt",
            "open-data": f"folder:{place}/open",
            "rounds": self._options.rounds,
            "seed": seed,
        }
        runs = self._folder / "runs" / f"{case.name}-seed-{seed}" / name
        times = _TIMES.get(case.attack, 0.0) if name == "fedavg" else 0.0
        run = runs / "runs" / "test" if times else runs / name
        if not complete(run, settings):
            self._console.print(f"{case.name}, seed {seed}: {name}", highlight=False)
            if times:
                _pull(runs, settings, times)
            else:
                campaign = Campaign(runs, CLIENTS, "engine", settings, replace=True)
                campaign.play({name: {}}, self._console)
        return read_run_record(run)


def _pull(folder: Path, settings: Mapping[str, Value], times: float) -> None:
    """Play FedAvg with one client whose change counts several times."""
    attack = Attack("pulled", "change", tensor=lambda change: times * change)
    villain = _FIRST_NODE + CLIENTS - 1
    federation = Federation(folder, CLIENTS, dict(settings))

    def tamper(node: int, reply: Message) -> Message:
        if node == villain and reply.metadata.message_type == "train" and reply.has_content():
            sent = federation.grid.sent[-1].content
            reply.content = with_upload(reply.content, attack, weights_in(sent))
        return reply

    federation.grid.tamper = tamper
    federation.play()


def _deal(place: Path, every: Pool, case: Case, seed: int) -> None:
    """Deal two shards to each client and write the open images, unless they lie there."""
    if (place / "dealt" / "config.json").exists():
        return
    order = np.random.default_rng(seed)
    rows = order.permutation(len(every.labels))
    judges, rows = every.rows(rows[:_JUDGES]), rows[_JUDGES:]
    shown, rows = rows[:_OPEN], rows[_OPEN:]
    images = every.images[shown].copy()
    for one in images[: round(case.share * _OPEN) if case.attack == "open" else 0]:
        one[0] = order.permutation(one.flatten()).reshape(one.shape[1:])
    for number, one in enumerate(images):
        # No label is read; folders of classes are what the source expects.
        path = place / "open" / str(number % CLASSES) / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one[0]).save(path)
    own = [every.rows(part) for part in _shards(every, rows[: CLIENTS * _PER_CLIENT], order)]
    for client in range(CLIENTS - case.tampered, CLIENTS):
        honest = own[client]
        wrong = (honest.labels + 1) % CLASSES
        if case.attack == "labels":
            wrong = order.integers(CLASSES, size=len(honest.labels))
        own[client] = Pool(honest.images, wrong)
    write(place / "dealt", own, [judges] * CLIENTS)


def _shards(every: Pool, rows: NDArray[np.int64], order: Generator) -> Iterator[NDArray[np.int64]]:
    shards = np.split(rows[np.argsort(every.labels[rows], kind="stable")], CLIENTS * _SHARDS)
    for chosen in np.split(order.permutation(len(shards)), CLIENTS):
        yield order.permutation(np.concatenate([shards[shard] for shard in chosen]))


def _sent(run: RunRecord) -> list[float]:
    """Return the megabytes that one client sent and received up to each round."""
    sent = [
        sum(node.uplink_bytes + node.downlink_bytes for node in line.answered.values())
        for line in run.rounds
    ]
    return [float(total) / CLIENTS / 1e6 for total in np.cumsum(sent)]


def _curve(run: RunRecord) -> list[tuple[float, float]]:
    """Return what a client has sent and received, and how well the common model does.

    That is the server's of DS-FL, the mean of FedAvg, and of Local the clients' own.
    """
    found = []
    for sent, line in zip(_sent(run), run.rounds, strict=True):
        told = line.scores.get(SCORE) if run.method == "dsfl" else line.accuracy
        if told is not None and line.round_number % _EVERY == 0:
            found.append((sent, told))
    return found


def _last(run: RunRecord, case: Case) -> float:
    """Return how the common model does at last, at clients that nobody tampered with."""
    honest = [run.rounds[-1].answered[client] for client in range(CLIENTS - case.tampered)]
    if run.method == "dsfl":
        return statistics.mean(node.scores[SCORE] for node in honest)
    return statistics.mean(node.accuracy or 0.0 for node in honest)


def _table(honest: Mapping[str, Sequence[RunRecord]]) -> str:
    lines = [
        "| Method | Common model, last | Best | Clients' own, last | Entropy of the mean | as sent "
        "| MB a client |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, runs in honest.items():
        title = {**METHODS, **SMALLER}[name][0]
        own = "—" if name == "fedavg" else over_seeds([r.rounds[-1].accuracy or 0 for r in runs])
        common = ("—", "—")
        if name != "local":
            best = [max(accuracy for _, accuracy in _curve(run)) for run in runs]
            common = (over_seeds([_last(run, Case()) for run in runs]), over_seeds(best))
        lines.append(
            f"| {title} | {' | '.join(common)} | {own} | {_entropies(runs)} "
            f"| {statistics.mean(_sent(run)[-1] for run in runs):.3g} |"
        )
    return "\n".join([*lines, ""])


def _entropies(runs: Sequence[RunRecord]) -> str:
    told = [run.rounds[-1].diagnostics for run in runs]
    if "entropy" not in told[0]:
        return "— | —"
    means = [statistics.mean(one[key] for one in told) for key in ("entropy_of_mean", "entropy")]
    return " | ".join(f"{mean:.2f}" for mean in means)


def _attack_table(
    honest: Mapping[str, Sequence[RunRecord]],
    found: Mapping[Case, Mapping[str, Sequence[RunRecord]]],
) -> str:
    titles = [METHODS[name][0] for name in _ATTACKED]
    lines = [
        f"| Attack | {' | '.join(titles)} | Entropy sent: SA | ERA | surer by ERA |",
        f"| :--- |{' ---: |' * (len(titles) + 3)}",
    ]
    told = {
        "none": "none",
        "labels": "{:.0%} of clients: labels by lot",
        "open": "{:.0%} of open images shuffled",
        **{
            attack: f"one client: next class for each, its change times {times:g}"
            for attack, times in _TIMES.items()
        },
    }
    for case, runs in {Case(): honest, **found}.items():
        cells = [over_seeds([_last(r, case) for r in runs[n]]) for n in _ATTACKED]
        last = {n: [run.rounds[-1].diagnostics for run in runs[n]] for n in ("sa", "era")}
        cells += [f"{statistics.mean(d['entropy'] for d in own):.2f}" for own in last.values()]
        cells.append(f"{statistics.mean(d['surer'] for d in last['era']):.0%}")
        lines.append(f"| {told[case.attack].format(case.share)} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _draw(runs: Mapping[str, Sequence[RunRecord]]) -> None:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, own in runs.items():
        curve = np.mean([_curve(run) for run in own], axis=0)
        axes.plot(curve[:, 0], curve[:, 1], marker=".", label=METHODS[name][0])
    axes.set(
        xscale="log",
        xlabel="MB sent and received by a client",
        ylabel="accuracy of the common model",
    )
    axes.legend()
    axes.grid(alpha=0.3)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
