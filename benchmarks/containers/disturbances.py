"""What happens to a federation in containers while it plays."""

import json
import subprocess
import time
from typing import Final, final

from rich.console import Console

from benchmarks.containers.failure import CheckError
from benchmarks.containers.twins import Twins, command_of
from local_federation.containers import Lab

# By service: the program in it that is killed.
PROGRAMS: Final = {
    "node-0-superexec": "flower-superexec",
    "node-1": "flower-supernode",
    "superlink": "flower-superlink",
    "proxy": "nginx: master",
}
NODES: Final = ("node-0", "node-1", "node-2")
ADDED: Final = "node-3"
_HUB: Final = "superlink:8000"
_PATIENCE_S: Final = 300.0
_POLL_S: Final = 0.5
# Of a command whose container ended while it ran: what it killed was all that the container is for.
_WITH_ITS_CONTAINER: Final = 128 + 9
# There is no pkill in the images. Of what starts a program, its name stands later on the line.
_KILL: Final = """
import os, pathlib, signal, sys, time

def lines():
    for place in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield place, place.read_bytes().decode().split("\\0")
        except OSError:
            pass

idle = sys.argv[2:] == ["idle"]
while idle and any(w.rpartition("/")[2] == "flwr-clientapp" for _, words in lines() for w in words):
    time.sleep(0.05)
for place, words in lines():
    # nginx writes a title there, with its options.
    names = [name for w in words[:2] for name in (w, w.rpartition("/")[2])]
    if any(name.startswith(sys.argv[1]) for name in names):
        os.kill(int(place.parent.name), signal.SIGKILL)
        sys.exit()
sys.exit("there is no " + sys.argv[1])
"""
# Images of one's own that go with what others are dealt: digits, by class.
_IMAGES: Final = "/var/lib/nectar/images"
_DRAW: Final = f"""
import pathlib
from PIL import Image
from sklearn.datasets import load_digits

digits = load_digits()
for number, (ink, label) in enumerate(zip(digits.images[:300], digits.target[:300])):
    folder = pathlib.Path("{_IMAGES}", str(label))
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray((ink * 255 / 16).round().astype("uint8")).save(folder / f"{{number}}.png")
"""


@final
class Disturbances:
    """Kills, moves, adds and removes parts of a lab that is up.

    Parameters
    ----------
    lab : Lab
        What is disturbed.
    twins : Twins
        Starts what is added.
    console : Console
        Told what is done.
    """

    def __init__(self, lab: Lab, twins: Twins, console: Console) -> None:
        self._lab = lab
        self._twins = twins
        self._console = console

    def kill(self, service: str, *, idle: bool = False) -> None:
        """Kill (SIGKILL) what a service is for; its container ends, and is started again.

        Parameters
        ----------
        service : str
            Key of ``PROGRAMS``.
        idle : bool
            Whether a message that is being worked on is waited for.

        Raises
        ------
        CheckError
            If it does not run.
        """
        program = PROGRAMS[service]
        words = ["python", "-c", _KILL, program, *(["idle"] if idle else [])]
        status, said = _run(self._lab.inside(service, *words))
        if status not in (0, _WITH_ITS_CONTAINER):
            raise CheckError(f"{service}: {said}")
        self._console.print(f"killed {program} of {service}{' between messages' if idle else ''}")

    def move_hub(self) -> None:
        """Remove the hub's container and make it anew under another address.

        Raises
        ------
        CheckError
            If it comes back under the same address.
        """
        before, old = self._twins.address("superlink"), self._lab.container("superlink")
        self._must([self._lab.engine, "rm", "-f", old])
        # It takes the address, where an engine would give it out again.
        self._twins.start("placeholder", like="register", command=["sleep", "3600"])
        self._must(self._lab.compose("up", "-d", "--no-deps", "superlink"))
        self._twins.remove("placeholder")
        after = self._twins.address("superlink")
        if after == before:
            raise CheckError(f"the hub came back under the same address, {after}")
        self._console.print(f"the hub was made anew: it was at {before} and is at {after}")

    def add_node(self) -> None:
        """Let one more device in, with images of its own; nothing else is told of it."""
        admin = ("python", "-m", "nectar_admin")
        superexec = f"{ADDED}-superexec"
        self._twins.once("register", *admin, "keys", "node", "/keys", ADDED)
        environment = {"NODE": ADDED}
        self._twins.start(superexec, "node-0-superexec", environment=environment, fresh=True)
        self._must(self._lab.inside(superexec, "python", "-c", _DRAW))
        words = (*admin, "devices", "add", "/keys", ADDED, "--superlink", _HUB, "--wait", "60")
        self._twins.once("register", *words)
        # Its own data are dealt to nobody: the others keep what they were told of their number.
        command = [_with_images(word) for word in command_of(self._twins.inspect("node-0"))]
        environment = {"NODE": ADDED, "PARTITION": str(len(NODES))}
        self._twins.start(ADDED, "node-0", command=command, environment=environment)
        self._console.print(f"added {ADDED}")

    def revoke(self, node: str) -> None:
        """Let a device in no more."""
        words = ("python", "-m", "nectar_admin", "devices", "remove", "/keys", node)
        self._twins.once("register", *words, "--superlink", _HUB)
        self._console.print(f"revoked {node}")

    def read_logs(self) -> dict[str, int]:
        """Return how much the SuperNodes' logs hold, by node."""
        return {node: len(self._log(node)) for node in NODES}

    def await_messages(self, round_number: int, read: dict[str, int]) -> None:
        """Wait until every node has taken in its message of a round.

        Parameters
        ----------
        round_number : int
            The round.
        read : dict[str, int]
            What :meth:`read_logs` returned before the run.

        Raises
        ------
        CheckError
            If one takes too long.
        """
        until = time.monotonic() + _PATIENCE_S
        for node in NODES:
            while not _has_taken(self._log(node)[read[node] :], round_number):
                if time.monotonic() > until:
                    raise CheckError(f"{node} did not take its message of round {round_number}")
                time.sleep(_POLL_S)

    def _log(self, service: str) -> str:
        return _run([self._lab.engine, "logs", self._lab.container(service)])[1]

    def _must(self, words: list[str]) -> None:
        status, said = _run(words)
        if status:
            raise CheckError(f"{json.dumps(words[:6])}: status {status}: {said.strip()}")


def _has_taken(log: str, round_number: int) -> bool:
    """Tell by a SuperNode's log whether a message of a round is there whole."""
    _, begun, rest = log.rpartition(f", ROUND {round_number}]")
    return bool(begun) and "Received successfully" in rest


def _with_images(word: str) -> str:
    told = f'num-partitions={len(NODES) + 1} data=\\"folder:{_IMAGES}\\" '
    return word.replace(f"num-partitions={len(NODES)} ", told)


def _run(words: list[str]) -> tuple[int, str]:
    done = subprocess.run(  # noqa: S603 - our own
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout
