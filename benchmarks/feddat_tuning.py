"""Where FedDAT might gain: regimes with little data or much time, and its own settings.

The paper claims that mutual distillation makes both the shared adapter and the teacher better
than averaging alone. Each regime plays FedDAT beside its rivals at equal compute; then FedDAT's
own settings, and how its adapters start, are changed one by one where every client asks
another kind of question. Settings are not chosen on a split of
their own: read what stands out as optimistic.

Run with ``python -m benchmarks.feddat_tuning --backbone DIR``. What stands out is then tried on
other seeds: ``--only few --seeds 2 3 4`` plays one regime and prints its table.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Console

from benchmarks.adapter_runs import Job, Overrides, add_options, job, play, scores, variants
from benchmarks.results import RESULTS, over_seeds, write_block

RIVALS: Final = (
    "local-matched",
    "fedavg-matched",
    "fedavg-tuned-matched",
    "feddat",
    "feddat-no-kl",
)
_FEW: Final[Overrides] = {"data": "digitgrid:domain", "max-samples": 300}
_RELATED: Final[Overrides] = {"data": "digitgrid:related", "max-samples": 300}
_FUNCTION: Final[Overrides] = {"data": "digitgrid:function", "max-samples": 300}
Regimes = Mapping[str, tuple[str, int, Overrides]]
# Title, rounds and settings.
REGIMES: Final[Regimes] = {
    "few": ("Domain, 200 questions a client", 25, _FEW),
    "related": ("kindred renderings, 200 questions a client", 25, _RELATED),
    "long": ("kindred renderings, 200 questions a client, 50 rounds", 50, _RELATED),
    "function": ("Function, 200 questions a client", 25, _FUNCTION),
}
# FedDAT's own settings, changed where clients are least alike.
_UNLIKE: Final = "function"
_PUBLISHED: Final = "alpha 1, beta 1, T 3, two steps: as published"
KNOBS: Final[Mapping[str, tuple[str, Overrides]]] = {
    "cold": ("T 1", {"feddat.temperature": 1.0}),
    "hot": ("T 6", {"feddat.temperature": 6.0}),
    "weak": ("alpha 0.3, beta 0.3", {"feddat.alpha": 0.3, "feddat.beta": 0.3}),
    "to-shared": ("beta 0: the teacher teaches only", {"feddat.beta": 0.0}),
    "to-teacher": ("alpha 0: the shared adapter teaches only", {"feddat.alpha": 0.0}),
    "joint": ("one step for both losses", {"feddat.joint-step": True}),
    "identity": ("adapters that start as the identity", {"adapters.initialisation": "zero-up"}),
    "slow": ("half the learning rate", {"adapters.learning-rate": 0.002}),
}

Runs = Mapping[tuple[str, int], Job]


def main() -> None:
    """Play what is missing and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, "feddat_tuning")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", choices=REGIMES, help="one regime; its table is printed")
    options = parser.parse_args()
    runs = dict(_runs(options))
    play(list(runs.values()), options.jobs)
    if options.only:
        found = _regimes(runs, options.seeds, {options.only: REGIMES[options.only]})
        Console().print("\n".join(found), markup=False, soft_wrap=True)
        return
    lines = [*_regimes(runs, options.seeds, REGIMES), "", *_knobs(runs, options.seeds), ""]
    write_block("feddat_tuning", "\n".join(lines))
    Console().print(f"written: {RESULTS}")


def _runs(options: argparse.Namespace) -> Iterator[tuple[tuple[str, int], Job]]:
    for seed in options.seeds:
        for name, rounds, own in _settings():
            if options.only and not name.startswith(f"{options.only}-"):
                continue
            settings = {**own, "seed": seed}
            run = f"{name}-seed{seed}"
            yield (name, seed), job(run, options.folder, options.backbone, rounds, settings)


def _settings() -> Iterator[tuple[str, int, Overrides]]:
    """Return every run's name, rounds and settings."""
    for name, (_, rounds, own) in REGIMES.items():
        for rival in RIVALS:
            yield f"{name}-{rival}", rounds, {**own, **variants(rounds)[rival].overrides}
    _, rounds, own = REGIMES[_UNLIKE]
    for name, (_, changes) in KNOBS.items():
        yield f"knob-{name}", rounds, {**own, **variants(rounds)["feddat"].overrides, **changes}


def _regimes(runs: Runs, seeds: Sequence[int], regimes: Regimes) -> Iterator[str]:
    yield "| regime | method | compute | answered with | accuracy, % |"
    yield "|---" * 5 + "|"
    for name, (title, rounds, _) in regimes.items():
        for rival in RIVALS:
            variant = variants(rounds)[rival]
            for model, found in _scores(runs, f"{name}-{rival}", seeds):
                yield (
                    f"| {title} | {variant.title} | {variant.compute:.2f} | {model} | "
                    f"{over_seeds(found)} |"
                )


def _knobs(runs: Runs, seeds: Sequence[int]) -> Iterator[str]:
    yield "| FedDAT's settings | shared, % | teacher, % | local, % |"
    yield "|---" * 4 + "|"
    played = {f"knob-{name}": title for name, (title, _) in KNOBS.items()}
    for name, title in {f"{_UNLIKE}-feddat": _PUBLISHED, **played}.items():
        found = dict(_scores(runs, name, seeds))
        shown = (over_seeds(found[model]) for model in ("shared", "teacher", "local"))
        yield f"| {title} | {' | '.join(shown)} |"


def _scores(runs: Runs, name: str, seeds: Sequence[int]) -> Iterator[tuple[str, list[float]]]:
    return scores([runs[name, seed].record() for seed in seeds])


if __name__ == "__main__":
    main()
