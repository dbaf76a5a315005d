"""The containers of ``docker/compose.yml``, for real: refused, compared, disturbed, removed.

``python -m benchmarks.check_containers`` (``make check-containers``) builds what is missing, brings
the lab up and looks at what ``STEPS`` names: what the proxy must refuse; that numbers are those of
a simulation to the last digit, also where parts are killed and moved but no client fails; a node
behind a slow line; everything that can happen, in one run. Then it brings everything down and looks
for what is left. Options of the engine are those of ``local_federation.containers``.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, final

from rich.console import Console

from benchmarks import proxy_refuses
from benchmarks.containers import uplink
from benchmarks.containers.disturbances import ADDED, Disturbances
from benchmarks.containers.failure import CheckError
from benchmarks.containers.journals import Line, accuracies, difference, failures, sent_again
from benchmarks.containers.player import CLIENTS, PlayedRun, Player, simulated
from benchmarks.containers.twins import Twins
from local_federation.containers import ContainerError, Lab, find_lab
from local_federation.host import Settings

_URL: Final = "https://127.0.0.1:8443"
_ATTEMPT_S: Final = 180.0
_POLL_S: Final = 3.0
_SMALL: Final[Settings] = {
    "data": "digits",
    "models": "cnn,resnet4,resnet6",
    "rounds": 2,
    "device": "cpu",
    "max-samples": 120,
    # Nodes whose machine is busy start their first app late.
    "quorum-timeout-s": 900.0,
}
# Where a client failed after all, numbers cannot be the same: the run is played once more.
_ATTEMPTS: Final = 3
_SPLIT: Final[Settings] = {
    **_SMALL,
    "image-size": 16,
    "split.width": 8,
    "split.step-deadline-s": 120.0,
    "split.connect-deadline-s": 120.0,
}
_SPLITFED: Final[Settings] = {**_SPLIT, "splitfed.steps-per-round": 5}
_MOCOSFL: Final[Settings] = {
    **_SPLIT,
    "mocosfl.batch": 16,
    "mocosfl.steps-per-round": 4,
    "mocosfl.memory-size": 256,
    "mocosfl.probe-epochs": 5,
    "mocosfl.semi-supervised": False,
}
_OPEN: Final[Settings] = {**_SMALL, "open-data": "digits", "open-samples": 100}
_FAUG: Final[Settings] = {
    "augmentation": "faug",
    "dirichlet-alpha": 0.3,
    "faug.steps": 100,
    "faug.oversampled": 50,
}
_DISTILLED: Final[Mapping[str, tuple[str, Settings]]] = {
    "dsfl": ("dsfl", {**_OPEN, "dsfl.samples-per-round": 50}),
    "fedmd": ("fedmd", {**_OPEN, "fedmd.samples-per-round": 50, "fedmd.pretrain-epochs": 1}),
    "fedgen": ("fedgen", {**_SMALL, "fedgen.sharing": "head", "fedgen.generator-steps": 10}),
    "fd-faug": ("fd", {**_SMALL, **_FAUG}),
}
_LINES: Final[Mapping[str, tuple[str, Settings]]] = {
    "message": ("fedproto", {**_SMALL, "rounds": 3}),
    "large-message": ("fedproto", {**_SMALL, "rounds": 3, "feature-dim": 65536}),
    "activations": ("splitfed", {**_SPLITFED, "rounds": 3}),
}
# Rounds after the last disturbance, in which who is left goes on.
_ALL_ROUNDS: Final = 14


@final
class _Check:
    """All that is looked at.

    Parameters
    ----------
    lab : Lab
        Where it is looked at.
    console : Console
        Told what is found.
    folder : Path
        Takes what is simulated.
    """

    def __init__(self, lab: Lab, console: Console, folder: Path) -> None:
        self._lab = lab
        self._console = console
        self._folder = folder
        self._player = Player(lab)
        self.twins = Twins(lab)
        self._disturbances = Disturbances(lab, self.twins, console)

    def refuse(self) -> None:
        """Ask the proxy for what it must refuse."""
        ca = self._folder / "ca.crt"
        until = time.monotonic() + _ATTEMPT_S
        while True:
            words = self._lab.inside("proxy", "cat", "/keys/server/ca.crt")
            done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own
            found = done.stdout
            ca.write_text(found)
            try:
                answers = list(proxy_refuses.ask_all(_URL, ca)) if found else []
            except OSError as error:
                # Started a moment ago.
                if time.monotonic() > until:
                    raise CheckError(f"{_URL} does not answer: {error}") from None
                answers = []
            if answers and all(answer.got < 500 for answer in answers):
                break
            if time.monotonic() > until:
                break
            time.sleep(_POLL_S)
        if not answers or not proxy_refuses.show(answers, self._console):
            raise CheckError("the proxy did not answer as it must")

    def message(self) -> None:
        """Play a method of messages in containers and simulated."""
        self._compare("fedktl", "fedktl", _SMALL)

    def distilled(self) -> None:
        """Play methods that distil on open data, or with a generator of any kind, as above."""
        for name, (method, settings) in _DISTILLED.items():
            self._compare(name, method, settings)

    def split(self) -> None:
        """Play methods whose devices send activations on the second port, as above."""
        self._compare("splitfed", "splitfed", _SPLITFED)
        self._compare("mocosfl", "mocosfl", _MOCOSFL)

    def kill(self) -> None:
        """Kill and move what no client need fail for, and compare with the undisturbed run."""
        settings = {**_SMALL, "rounds": 6}
        expected = simulated(self._folder, "undisturbed", "fedproto", settings)
        for attempt in range(1, _ATTEMPTS + 1):
            with self._player.playing(f"killed-{attempt}", "fedproto", settings) as run:
                journal = self._kill_one_after_another(run)
            if not (failed := failures(journal)):
                self._require_equal(expected, journal, "undisturbed")
                return
            self._console.print(f"not compared, since clients failed: {'; '.join(failed)}")
        raise CheckError(f"clients failed in each of {_ATTEMPTS} runs")

    def disturb(self) -> None:
        """Do everything that can happen to a federation in one run, and see it go on."""
        settings = {**_SMALL, "rounds": _ALL_ROUNDS}
        happen, gone = self._disturbances, "2"
        once: tuple[Callable[[], None], ...] = (
            lambda: happen.kill("node-0-superexec"),
            lambda: happen.kill("node-1"),
            lambda: happen.kill("superlink"),
            lambda: happen.kill("proxy"),
            happen.move_hub,
            happen.add_node,
        )
        with self._player.playing("disturbed", "fedproto", settings) as run:
            for number, happens in enumerate(once, 1):
                run.reach(number)
                self._console.print(f"after round {number}:")
                happens()
            came = _await(run, len(once), lambda line: ADDED[-1] in accuracies(line))
            self._console.print(f"{ADDED} answered in round {came}")
            happen.revoke(f"node-{gone}")
            left = {str(client) for client in range(CLIENTS + 1)} - {gone}
            last = _await(run, came, lambda line: set(accuracies(line)) == left)
            journal = run.finish()
        for failed in failures(journal):
            self._console.print(failed, soft_wrap=True, markup=False)
        if any(gone in accuracies(line) for line in journal[last:]):
            raise CheckError(f"node-{gone} took part after it had been revoked")
        if set(accuracies(journal[-1])) != left:
            raise CheckError(f"in the last round, expected clients {sorted(left)}")

    def slow(self) -> None:
        """Put a node behind a slow line, and print what rounds take then."""
        uplink.compare(self._player, self.twins, _LINES, self._console)

    def _kill_one_after_another(self, run: PlayedRun) -> list[Line]:
        happen = self._disturbances
        run.reach(1)
        read = happen.read_logs()
        happen.kill("node-0-superexec", idle=True)
        happens: tuple[Callable[[], None], ...] = (
            lambda: happen.kill("proxy"),
            lambda: happen.kill("superlink"),
            happen.move_hub,
        )
        for number, happened in enumerate(happens, 2):
            run.reach(number)
            happen.await_messages(number + 1, read)
            self._console.print(f"in round {number + 1}:")
            happened()
        return run.finish()

    def _compare(self, name: str, method: str, settings: Settings) -> None:
        expected = simulated(self._folder, name, method, settings)
        self._require_equal(expected, self._player.play(name, method, settings), "simulated")

    def _require_equal(self, expected: list[Line], got: list[Line], where: str) -> None:
        self._console.print(f"accuracies by round, in containers: {[accuracies(x) for x in got]}")
        for note in sent_again(got):
            self._console.print(note)
        if differs := difference(expected, got):
            raise CheckError(f"not as {where}: {differs}")
        self._console.print(f"the journal is that of the {where} run, but for what it measures")


STEPS: Final[Mapping[str, tuple[str, Callable[[_Check], None]]]] = {
    "refused": ("the proxy refuses", _Check.refuse),
    "message": ("the numbers are those of a simulation", _Check.message),
    "distilled": ("distillation gives the numbers of a simulation", _Check.distilled),
    "split": ("activations take the second port", _Check.split),
    "killed": ("what is killed and moved changes no number", _Check.kill),
    "slow": ("a node behind a slow line", _Check.slow),
    "disturbed": ("everything at once", _Check.disturb),
}


def main() -> int:
    """Look at everything, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.check_containers", description=__doc__
    )
    parser.add_argument("--no-build", action="store_true", help="take images as they are")
    parser.add_argument("--keep", action="store_true", help="leave the lab up if something fails")
    parser.add_argument("--only", nargs="+", default=list(STEPS), choices=STEPS, help="some steps")
    arguments = parser.parse_args()
    console = Console()
    try:
        lab = find_lab()
        lab.down(keep=False)
        if not arguments.no_build:
            lab.build()
        _look(lab, console, arguments.only, keep=arguments.keep)
    except (ContainerError, CheckError) as error:
        console.print(f"failed: {error}", style="bold red", markup=False, soft_wrap=True)
        return 1
    console.print("all as it must be, and nothing left")
    return 0


def _look(lab: Lab, console: Console, steps: list[str], *, keep: bool) -> None:
    good = False
    with tempfile.TemporaryDirectory() as place:
        check = _Check(lab, console, Path(place))
        try:
            console.rule("everything comes up")
            lab.up()
            for name in steps:
                title, step = STEPS[name]
                started = time.monotonic()
                console.rule(title)
                step(check)
                console.print(f"{name}: {time.monotonic() - started:.0f} s")
            good = True
        finally:
            if good or not keep:
                check.twins.remove_all()
                lab.down(keep=True)
                kept = lab.left()
                lab.down(keep=False)
    left = {**lab.left(), "container or network, KEEP=1": kept["container"] + kept["network"]}
    if any(left.values()) or not kept["volume"]:
        raise CheckError(f"left behind: {left}; kept: {kept['volume']}")


def _await(run: PlayedRun, number: int, seen: Callable[[Line], bool]) -> int:
    """Return the first round after another of which something holds."""
    while True:
        number += 1
        if seen(run.await_round(number)[number - 1]):
            return number


if __name__ == "__main__":
    sys.exit(main())
