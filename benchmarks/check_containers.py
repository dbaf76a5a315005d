"""The containers of ``docker/compose.yml``, for real: refused, compared, killed, removed.

``python -m benchmarks.check_containers`` (``make check-containers``) builds what is missing, brings
the lab up, asks its proxy for all that it must refuse, plays FedKTL there and in a simulation,
which must agree to the last digit, plays a run in which a SuperExec, a SuperNode, the hub and the
proxy are killed one after another, plays a method that splits a network, brings everything down
and looks for what is left. Options of the engine are those of ``local_federation.containers``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, final

from rich.console import Console

from benchmarks import proxy_refuses
from local_federation.campaign import Campaign
from local_federation.containers import RUNS, ContainerError, Lab, find_lab
from local_federation.host import Settings

_URL: Final = "https://127.0.0.1:8443"
_ATTEMPT_S, _ROUND_S = 180.0, 900.0
_POLL_S: Final = 3.0
_SMALL: Final[Settings] = {
    "data": "digits",
    "models": "cnn,resnet4,resnet6",
    "rounds": 2,
    "device": "cpu",
    "max-samples": 300,
}
# Service, and the program in it that is killed.
_KILLED: Final = (
    ("node-0-superexec", "flower-superexec"),
    ("node-1", "flower-supernode"),
    ("superlink", "flower-superlink"),
    ("proxy", "nginx: master"),
)
# Of a command whose container ended while it ran: what it killed was all that the container is for.
_WITH_ITS_CONTAINER: Final = 128 + 9
# There is no pkill in the images. Of what starts a program, its name stands later on the line.
_KILL: Final = """
import os, pathlib, signal, sys
for place in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    words = place.read_bytes().decode().split("\\0")[:2]
    # nginx writes a title there, with its options.
    if any(name.startswith(sys.argv[1]) for w in words for name in (w, w.rpartition("/")[2])):
        os.kill(int(place.parent.name), signal.SIGKILL)
        sys.exit()
sys.exit("there is no " + sys.argv[1])
"""


# A line of a journal, as far as it is read here.
_Line = dict[str, dict[str, dict[str, float]]]


class _CheckError(Exception):
    """The containers did not do what they must."""


@final
class _Check:
    """All that is looked at, in its order.

    Parameters
    ----------
    lab : Lab
        Where it is looked at.
    console : Console
        Told what is found.
    """

    def __init__(self, lab: Lab, console: Console) -> None:
        self._lab = lab
        self._console = console

    def refusals(self, folder: Path) -> None:
        """Ask the proxy for what it must refuse."""
        ca = folder / "ca.crt"
        until = time.monotonic() + _ATTEMPT_S
        while True:
            found = _output(self._lab.inside("proxy", "cat", "/keys/server/ca.crt"))
            ca.write_text(found)
            try:
                answers = list(proxy_refuses.ask_all(_URL, ca)) if found else []
            except OSError as error:
                # Started a moment ago.
                if time.monotonic() > until:
                    raise _CheckError(f"{_URL} does not answer: {error}") from None
                answers = []
            if answers and all(answer.got < 500 for answer in answers):
                break
            if time.monotonic() > until:
                break
            time.sleep(_POLL_S)
        if not answers or not proxy_refuses.show(answers, self._console):
            raise _CheckError("the proxy did not answer as it must")

    def comparison(self, folder: Path) -> None:
        """Play the same in containers and simulated, and compare every accuracy."""
        name = "compared"
        self._play(name, "fedktl", _SMALL)
        expected = _simulated(folder, name)
        got = [_accuracies(line) for line in self._journal(name)]
        self._console.print(f"accuracies by round, in containers: {got}")
        if got != expected:
            raise _CheckError(f"simulated they are {expected}")

    def kills(self) -> None:
        """Play a run in which things are killed, each after a round, and see it go on."""
        name, rounds = "killed", len(_KILLED) + 2
        command = _command(self._lab, name, "fedproto", {**_SMALL, "rounds": rounds})
        with subprocess.Popen(command) as player:  # noqa: S603 - our own
            try:
                for number, (service, program) in enumerate(_KILLED, 1):
                    self._await_rounds(name, number, player)
                    _must(self._lab.inside(service, "python", "-c", _KILL, program))
                    self._console.print(f"after round {number}: killed {program} of {service}")
                self._await_rounds(name, rounds, player)
                status = player.wait(_ROUND_S)
            finally:
                player.terminate()
        if status:
            raise _CheckError(f"the run ended with status {status}")
        replies = [len(_accuracies(line)) for line in self._journal(name)]
        self._console.print(f"clients that answered, by round: {replies}")
        if replies[-1] != 3:
            raise _CheckError("in the last round not all clients were back")

    def split(self) -> None:
        """Play a method whose devices send activations on the second port."""
        settings = {
            **_SMALL,
            "rounds": 1,
            "splitfed.steps-per-round": 5,
            "split.width": 8,
            "split.step-deadline-s": 60.0,
            "split.connect-deadline-s": 120.0,
        }
        self._play("split", "splitfed", settings)

    def _play(self, name: str, method: str, settings: Settings) -> None:
        command = _command(self._lab, name, method, settings)
        status = subprocess.run(command, check=False).returncode  # noqa: S603 - our own
        if status:
            raise _CheckError(f"run {name} ended with status {status}")

    def _await_rounds(self, name: str, number: int, player: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + _ROUND_S
        while len(self._journal(name)) < number:
            if player.poll() or time.monotonic() > until:
                raise _CheckError(f"run {name} did not come to the end of round {number}")
            time.sleep(_POLL_S)

    def _journal(self, name: str) -> list[_Line]:
        text = _output(self._lab.inside("superexec", "cat", f"{RUNS}/{name}/rounds.jsonl"))
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def main() -> int:
    """Look at everything, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.check_containers", description=__doc__
    )
    parser.add_argument("--no-build", action="store_true", help="take images as they are")
    parser.add_argument("--keep", action="store_true", help="leave the lab up if something fails")
    arguments = parser.parse_args()
    console = Console()
    try:
        lab = find_lab()
        lab.down(keep=False)
        if not arguments.no_build:
            lab.build()
        _look(lab, console, keep=arguments.keep)
    except (ContainerError, _CheckError) as error:
        console.print(f"failed: {error}", style="bold red", markup=False, soft_wrap=True)
        return 1
    console.print("all as it must be, and nothing left")
    return 0


def _look(lab: Lab, console: Console, *, keep: bool) -> None:
    check = _Check(lab, console)
    good = False
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("everything comes up", lab.up),
            ("the proxy refuses", lambda: check.refusals(folder)),
            ("the numbers are those of a simulation", lambda: check.comparison(folder)),
            ("a run goes on", check.kills),
            ("activations take the second port", check.split),
        )
        try:
            for title, step in steps:
                console.rule(title)
                step()
            good = True
        finally:
            if good or not keep:
                lab.down(keep=False)
    if any(left := lab.left().values()):
        raise _CheckError(f"left behind: {list(left)}")


def _command(lab: Lab, name: str, method: str, settings: Settings) -> list[str]:
    changes = [word for key in settings for word in ("--set", f"{key}={json.dumps(settings[key])}")]
    options = ("--replace", "--name", name, "--method", method, *changes)
    return lab.compose("run", "--rm", "--no-deps", "-T", "run", *options)


def _simulated(folder: Path, name: str) -> list[dict[str, float]]:
    campaign = Campaign(folder, 3, "engine", _SMALL)
    campaign.play({name: {"method": "fedktl"}}, Console(quiet=True))
    text = (folder / name / "rounds.jsonl").read_text()
    return [_accuracies(json.loads(line)) for line in text.splitlines()]


def _accuracies(line: _Line) -> dict[str, float]:
    """Return the accuracy of each client whose reply counts."""
    nodes = line["nodes"].items()
    return {client: entry["accuracy"] for client, entry in nodes if "failure" not in entry}


def _output(words: list[str]) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    return done.stdout


def _must(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode not in (0, _WITH_ITS_CONTAINER):
        raise _CheckError(f"{done.stdout}{done.stderr}".strip())


if __name__ == "__main__":
    sys.exit(main())
