"""FedKTL's table of traffic per round, as bytes that crossed, of every method of one message.

The setting of Zhang et al., CVPR 2024, table 5: twenty unlike clients, 10 or 100 classes dealt by a
Dirichlet distribution of 0.1, images of 3 x 32 x 32, features of width 512. What travels depends on
neither what images show nor on how many there are, so they are few and noise. Two rounds are played
over loopback, where messages are written and read as on a network, and the journal's bytes of
the second are counted: in the first nothing has come of anybody yet. The paper counts numbers
of four bytes.

Run with ``python -m benchmarks.traffic_table [--write]``; the last puts the tables into
``docs/results.md``.
"""

import argparse
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import safetensors.torch
from rich.console import Console
from torch import Tensor

from benchmarks.compressed_pictures import told
from benchmarks.dealt_noise import CLIENTS, holdings, write_clients, write_open
from benchmarks.results import show_tables
from benchmarks.traffic_counted import PUBLISHED, Numbers, counted
from strategies import methods
from strategies.common.message import MessageClient
from strategies.common.transport.envelope import read_blob
from tests.loopback import Federation

Value = bool | int | float | str

CLASSES: Final = (10, 100)
OPEN: Final = 200
_ROUND: Final = 2
_PAIRS: Final = "fedktl.pairs"
_MB: Final = 1e6
SETTINGS: Final[Mapping[str, Value]] = {
    # The first is the paper's shared model, of 924,708 numbers with 100 classes.
    "models": "cnn,resnet4",
    "feature-dim": 512,
    "rounds": _ROUND,
    "local-epochs": 1,
    "min-train-samples": 2,
    "min-test-samples": 1,
    "writers": "",
}
# What makes a payload as long as the paper's, and fewer steps where these change no length.
OWN: Final[Mapping[str, Mapping[str, Value]]] = {
    # Heads that learn of noise on features of unlike models move too differently for the server,
    # which would refuse some of them; they are as long with models that are alike.
    "lgfedavg": {"models": "cnn"},
    "fedgen": {
        "models": "cnn",
        "fedgen.sharing": "head",
        "fedgen.hidden-dim": 512,
        "fedgen.generator-steps": 2,
    },
    # As wide as the latent vectors of StyleGAN-XL.
    "fedktl": {"oriented.latent-dim": 512},
    "fedtgp": {"fedtgp.server-epochs": 2},
    "dsfl": {"dsfl.distill-epochs": 1, "dsfl.samples-per-round": OPEN},
    "fedmd": {"fedmd.samples-per-round": OPEN},
    "feddf": {"feddf.distill-steps": 2},
}
_HALF: Final[Mapping[str, Value]] = {"wire-dtype": "float16"}
OPTIONS: Final[Sequence[tuple[str, str, Mapping[str, Value]]]] = (
    ("dsfl", "the 10 likeliest classes", {"dsfl.upload-top": 10}),
    ("dsfl", "8 bits", {"dsfl.upload-bits": 8}),
    ("dsfl", "the 10 likeliest, 4 bits", {"dsfl.upload-top": 10, "dsfl.upload-bits": 4}),
    ("fedkd", "half the energy", {"fedkd.energy-start": 0.5, "fedkd.energy-end": 0.5}),
    ("fedkd", "99 % of the energy", {"fedkd.energy-start": 0.99, "fedkd.energy-end": 0.99}),
)


@final
@dataclass(frozen=True)
class Traffic:
    """Bytes of one round, of all clients.

    Attributes
    ----------
    up, down : int
        What crossed, as the journal has it.
    records : int
        Of both: control records, which say who, what and how it went.
    tested : int
        Of ``down``: what clients receive once more, to test with what a round came to.
    """

    up: int
    down: int
    records: int
    tested: int


@final
class Stage:
    """Data of one number of classes, and the federations that are played with them.

    Parameters
    ----------
    folder : Path
        Where to keep both.
    classes : int
        Classes of the task.
    """

    def __init__(self, folder: Path, classes: int) -> None:
        self._folder, self.classes = folder / str(classes), classes
        held = holdings(classes)
        self.held = sum(len(one) for one in held)
        write_clients(self._folder / "dealt", held, classes)
        write_open(self._folder / "open", OPEN, classes)
        self.images: Tensor | None = None

    def play(self, method: str, changes: Mapping[str, Value]) -> Traffic:
        """Play a method, and return what its second round sent."""
        settings: dict[str, Value] = {
            **SETTINGS,
            **OWN.get(method, {}),
            **changes,
            "method": method,
            "data": f"pfllib:{self._folder}/dealt",
        }
        if methods.needs_open_data(method):
            settings["open-data"] = f"folder:{self._folder}/open"
        with tempfile.TemporaryDirectory() as place, _quiet():
            federation = Federation(Path(place), CLIENTS, settings)
            nodes = federation.play()[_ROUND - 1]["nodes"].values()
        if failed := [node["failure"] for node in nodes if "failure" in node]:
            raise SystemExit(f"{method}: expected a reply from every client, got {failed[0]}")
        if method == "fedktl" and self.images is None:
            self.images = _images(federation)
        payloads = [(name, size) for node in nodes for name, size in node["payload_bytes"].items()]
        down = sum(size for name, size in payloads if name.startswith(f"down/{method}."))
        kind = methods.client_class(method)
        testing = methods.method_settings(method, federation.config).testing(kind.tested)
        return Traffic(
            up=sum(node["uplink_bytes"] for node in nodes),
            down=sum(node["downlink_bytes"] for node in nodes),
            records=sum(size for name, size in payloads if "." not in name),
            # The same payload twice.
            tested=down // 2 if testing.is_later else 0,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Say nothing of how well the federations do, which learn nothing here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _images(federation: Federation) -> Tensor:
    """Return the images (pairs, channels, height, width) uint8 that FedKTL sent."""
    sent = [message.content for message in federation.grid.sent if _PAIRS in message.content]
    return safetensors.torch.load(read_blob(sent[-1], _PAIRS, "server"))["images"]


def played_methods() -> list[str]:
    """Return the methods whose clients send a message a round and train models of their own."""
    kinds = {name: methods.client_class(name) for name in methods.METHODS}
    return [name for name, kind in kinds.items() if issubclass(kind, MessageClient)]


def method_rows(stages: Sequence[Stage], console: Console) -> Iterator[list[str]]:
    """Play every method, in float32 and at last in float16, and yield a row for each."""
    last = stages[-1]
    for method in played_methods():
        found = [stage.play(method, {}) for stage in stages]
        half = last.play(method, _HALF) if method != "local" else found[-1]
        ruled = counted(method, last.classes, last.held)
        console.print(f"{method}: {[*found, half]}")
        yield [
            methods.display_name(method),
            *(cell for one in found for cell in _cells(one)),
            f"{half.up / _MB:.2f} / {half.down / _MB:.2f}",
            _millions(PUBLISHED.get(method)),
            _millions(ruled),
        ]


def _cells(traffic: Traffic) -> tuple[str, str]:
    tested = f" ({traffic.tested / _MB:.2f})" if traffic.tested else ""
    return f"{traffic.up / _MB:.2f}", f"{traffic.down / _MB:.2f}{tested}"


def _millions(numbers: Numbers | None) -> str:
    return "—" if numbers is None else f"{numbers.up:.2f} / {numbers.down:.2f}"


def option_rows(stage: Stage) -> Iterator[list[str]]:
    """Play what makes some methods' messages smaller, and yield a row for each."""
    for method, title, changes in OPTIONS:
        found = stage.play(method, changes)
        name = methods.display_name(method)
        yield [f"{name}, {title}", f"{found.up / _MB:.2f} / {found.down / _MB:.2f}"]


def main() -> None:
    """Play, print the tables, and write them where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/results.md")
    arguments = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory() as temporary:
        stages = [Stage(Path(temporary), classes) for classes in CLASSES]
        tables = {"traffic": (_method_titles(stages), list(method_rows(stages, console)))}
        tables["traffic_options"] = (
            ["method, and what travels", f"{CLASSES[-1]} classes: up / down"],
            list(option_rows(stages[-1])),
        )
        images = {stage.classes: stage.images for stage in stages}
        tables["traffic_pictures"] = told(images)
    show_tables(console, tables, write=arguments.write)


def _method_titles(stages: Sequence[Stage]) -> list[str]:
    sides = [f"{stage.classes} classes: {side}" for stage in stages for side in ("up", "down")]
    paper = [f"paper, {stages[-1].classes} classes", "its rule, for these clients"]
    return ["method", *sides, f"{stages[-1].classes} classes, float16", *paper]


if __name__ == "__main__":
    main()
