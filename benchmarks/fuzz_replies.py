"""Made-up reports, descriptions and uploads: refused by name or taken in, and nothing else.

Three depths: a record alone; descriptions that meet in a roster; whole rounds in which hostile
clients reply beside honest ones, until the line is in the journal. A finding is any exception but
a ``WireError``, a line that is no JSON, a client that is missing in it, or an honest client that
pays for it.

Run with ``python -m benchmarks.fuzz_replies [--records 20000] [--rosters 2000] [--rounds 500]``.
"""

import argparse
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, RecordDict
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console

from server_app.half import first_state, server_half
from server_app.journal import read_round, write_round
from server_app.roster import Roster
from server_app.round_context import RoundContext
from server_app.rounds import RoundLoop
from strategies.common.errors import WireError
from strategies.common.method import AnyAggregatingHalf
from strategies.common.run_config import default_config, read_run
from strategies.common.transport.control import Control, Description, Report, read_control
from strategies.common.wire import encode
from strategies.fedproto.wire import Prototypes
from tests.server_app.scripted_grid import Answer, ScriptedGrid

HONEST = 3
FIRST_NODE = 100
_CLASSES, _WIDTH = 3, 4
_LONGEST_ERROR = 2000

Values = dict[str, Any]


def description(partition: int) -> Values:
    """Return what an honest device says of itself."""
    return {
        "partition": partition,
        "num_partitions": 9,
        "model": "cnn",
        "num_classes": _CLASSES,
        "inputs": "images",
        "sizes": [1, 2, 2],
        "feature_dim": _WIDTH,
        "foundation": "",
        "rank": 0,
        "places": [],
        "class_names": ["a", "b", "c"],
        "train_samples": 30,
        "test_samples": 10,
        "train_counts": [10, 10, 10],
        "test_counts": [4, 3, 3],
        "clients": 1,
        "notes": ["a note"],
        "figure.ms": 1.5,
    }


def report(round_number: int = 1) -> Values:
    """Return what an honest device says of a round."""
    return {
        "round_number": round_number,
        "continued_from": 0,
        "correct": 6.0,
        "test_samples": 10,
        "loss": 0.5,
        "class_samples": [4, 3, 3],
        "class_hits": [3, 2, 1],
        "class_predictions": [4, 4, 2],
        "train_samples": 30,
        "load_s": 0.1,
        "train_s": 1.0,
        "evaluate_s": 0.1,
        "save_s": 0.1,
        "notes": ["a note"],
        "score.own": 0.5,
        "loss.total": 0.75,
        "figure.cpu_s": 1.0,
    }


_TEXT = st.text(st.characters(exclude_categories=()), max_size=30) | st.sampled_from(
    ["", "\x1b[2J\x1b[31m", "x" * 5000, "caf\udce9", "images", "tokens", "1:1:q", "0" * 64]
)
_INT = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 40) | st.sampled_from([2**62, 10**9, 0])
_FLOAT = st.floats(width=64) | st.sampled_from([1e308, -1e308, 3e38, 1e9, 1e18, 0.5, -0.0])
_SCALAR = _INT | _FLOAT | _TEXT | st.booleans() | st.binary(max_size=20)
_VALUE = _SCALAR | st.one_of(
    *(st.lists(kind, max_size=12) for kind in (_INT, _FLOAT, _TEXT, st.booleans()))
)


@st.composite
def mutants(draw: st.DrawFn, honest: Values) -> Values:
    """Draw a record of which some fields are made up, missing or too many."""
    values = dict(honest)
    for name in draw(st.lists(st.sampled_from(sorted(honest)), max_size=4)):
        values[name] = draw(_VALUE)
    if draw(st.integers(0, 9)) == 0:
        del values[draw(st.sampled_from(sorted(values)))]
    if draw(st.integers(0, 4)) == 0:
        prefix = draw(st.sampled_from(["", "loss.", "score.", "figure."]))
        values[prefix + draw(_TEXT)] = draw(_VALUE)
    return values


@st.composite
def uplinks(draw: st.DrawFn) -> bytes | None:
    """Draw an upload: honest, of another size, damaged, or none."""
    kind = draw(st.sampled_from(["honest", "scaled", "constant", "damaged", "random", "none"]))
    rows = torch.linspace(-1, 1, _CLASSES * _WIDTH).reshape(_CLASSES, _WIDTH)
    counts = [draw(st.sampled_from([10, 1, 2**62, 31])) if kind != "honest" else 10] * _CLASSES
    if kind == "scaled":
        rows = rows * draw(st.sampled_from([-1.0, -10.0, 100.0, 1e10, 1e38]))
    if kind == "constant":
        rows = torch.full_like(rows, draw(st.sampled_from([1e3, 1e6, 1e20, 3e38, -3e38])))
    if kind == "none":
        return None
    if kind == "random":
        return draw(st.binary(max_size=400))
    blob = bytearray(
        encode(Prototypes(rows, torch.arange(_CLASSES), torch.tensor(counts)), "float32")
    )
    if kind == "damaged":
        for place in draw(st.lists(st.integers(0, len(blob) - 1), min_size=1, max_size=6)):
            blob[place] = draw(st.integers(0, 255))
    return bytes(blob)


def content(name: str, values: Mapping[str, Any], blob: bytes | None = None) -> Answer:
    """Return a message's content, or an error where Flower itself could not carry it."""
    try:
        records = RecordDict({name: ConfigRecord(dict(values))})
        records[name].deflate()
    except (TypeError, ValueError) as error:
        return Error(2, f"\x1b[2J{error}")
    if blob is not None:
        array = Array("uint8", (len(blob),), "nectar.safetensors", blob)
        records[Prototypes.schema] = ArrayRecord({"blob": array})
    return records


def require(holds: bool, found: object) -> None:
    """Raise where something does not hold, with what was found.

    Raises
    ------
    AssertionError
        It is a finding.
    """
    if not holds:
        raise AssertionError(found)


def require_named(error: WireError, sender: str) -> None:
    """Refuse an error that does not say who it was, or that repeats what nobody should see."""
    text = str(error)
    require(text.startswith(sender), text)
    require(len(text) < _LONGEST_ERROR, len(text))
    require(text.isprintable(), text)


def check_record(kind: type[Control], values: Values) -> bool:
    """Read a record alone, and tell whether it was taken in."""
    try:
        read = read_control(kind, values, "client 7")
    except WireError as error:
        require_named(error, "client 7: ")
        return False
    json.dumps(read.to_values(), allow_nan=False, ensure_ascii=False).encode()
    require(read_control(kind, read.to_values(), "client 7") == read, read)
    return True


def check_roster(drawn: list[Values]) -> None:
    """Let made-up descriptions meet three honest ones."""
    answers = {FIRST_NODE + p: content("description", description(p)) for p in range(HONEST)}
    answers |= {900 + n: content("description", values) for n, values in enumerate(drawn)}
    roster = Roster(ScriptedGrid([*answers], answers.get), "fuzz")
    roster.refresh()
    task = roster.task()
    clients = roster.clients()
    taken_in = {client.node_id for client in clients.values()}
    require(taken_in >= set(range(FIRST_NODE, FIRST_NODE + HONEST)), roster.failures)
    require(taken_in | roster.failures.keys() == set(answers), roster.failures)
    require(task.num_classes == _CLASSES, task)
    require(all(map(str.isprintable, roster.failures.values())), roster.failures)


class Rounds:
    """Plays rounds of FedProto whose clients are scripts; one object serves many rounds."""

    def __init__(self) -> None:
        self._config = {
            **default_config(),
            "feature-dim": _WIDTH,
            "method": "fedproto",
            "device": "cpu",
            "server-device": "cpu",
            "quorum-timeout-s": 5.0,
            "round-deadline-s": 5.0,
            "min-nodes": HONEST,
        }
        self._run = read_run(self._config)
        rows = torch.linspace(-1, 1, _CLASSES * _WIDTH).reshape(_CLASSES, _WIDTH)
        counts = torch.tensor([10] * _CLASSES)
        self._honest = encode(Prototypes(rows, torch.arange(_CLASSES), counts), "float32")

    def check(self, told: list[tuple[Values, Values, bytes | None]]) -> None:
        """Play one round with some hostile clients, each of which describes itself and replies."""
        answers: dict[int, Answer] = {}
        replies: dict[int, Answer] = {}
        for partition in range(HONEST):
            node = FIRST_NODE + partition
            answers[node] = content("description", description(partition))
            replies[node] = content("report", report(), self._honest)
        for number, (described, reported, blob) in enumerate(told):
            answers[900 + number] = content("description", described)
            replies[900 + number] = content("report", reported, blob)
        grid = ScriptedGrid([*answers], answers.get)
        half = cast(AnyAggregatingHalf, server_half(self._run, self._config))
        loop = RoundLoop(grid, half, self._run, "fuzz", lambda *_: None)
        clients = loop.gathering.wait(1, first=True)
        state = first_state(half, self._run, loop.roster.task())
        grid.answer = replies.get
        context = RoundContext(1, clients, state, loop.roster.task(), {})
        played = loop.play(context, half)
        line = played.record.to_line("fedproto", played.aggregate())
        text = write_round(line)
        entries = read_round(json.loads(text), "here").nodes
        require(set(entries) >= set(clients), (set(entries), set(clients)))
        answered = {p for p, node in line.answered.items() if p < HONEST}
        require(answered == set(range(HONEST)), line.failures)
        require(all(map(str.isprintable, line.failures.values())), line.failures)
        require(bool(torch.isfinite(state.rows).all()), state.rows)


def hostile(partition: int) -> st.SearchStrategy[tuple[Values, Values, bytes | None]]:
    """Draw a hostile client of a partition, most of which describe themselves well."""
    honest = st.just(description(partition))
    described = st.one_of(honest, honest, mutants(description(partition)))
    return st.tuples(described, mutants(report()), uplinks())


def quiet() -> None:
    """Log nothing of what thousands of refusals would say."""
    logging.getLogger("flwr").setLevel(logging.CRITICAL)


def run(
    check: Callable[..., object],
    drawn: st.SearchStrategy[Any],
    count: int,
    *,
    is_repeatable: bool = False,
) -> int:
    """Check so many drawn cases, the same each time or others, and return how many there were."""
    seen = [0]

    @settings(
        max_examples=count,
        derandomize=is_repeatable,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn)
    def each(value: Any) -> None:
        seen[0] += 1
        check(value)

    each()
    return seen[0]


def main() -> int:
    """Run all three depths and print how many cases there were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rosters", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=500)
    options = parser.parse_args()
    quiet()
    console, begin = Console(), time.perf_counter()
    taken: list[bool] = []
    half = options.records // 2
    reports, descriptions = mutants(report()), mutants(description(7))
    counts = {
        "reports": run(lambda v: taken.append(check_record(Report, v)), reports, half),
        "descriptions": run(
            lambda v: taken.append(check_record(Description, v)), descriptions, half
        ),
        "rosters": run(
            check_roster, st.lists(mutants(description(7)), min_size=1, max_size=4), options.rosters
        ),
        "rounds": run(
            Rounds().check,
            st.tuples(hostile(3), hostile(4)).map(list),
            options.rounds,
        ),
    }
    for name, count in counts.items():
        console.print(f"{count:>8} {name}")
    console.print(f"{sum(taken):>8} records of them taken in")
    console.print(f"no finding in {time.perf_counter() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
