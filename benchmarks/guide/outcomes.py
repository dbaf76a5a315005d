"""What must be so once a part of the guide has been followed."""

import csv
import json
import re
import time
from collections.abc import Callable, Collection
from typing import Final

from benchmarks.guide.network import MachineError, Network
from benchmarks.guide.photographs import EACH, SHAPES

# Looks at machines, and returns what it found or raises MachineError.
Look = Callable[[Network], str]
MOST_EXPOSED: Final = 2.0
_UNITS: Final = "/etc/systemd/system/nectar-*.service"
_ADMIN: Final = "cd /opt/nectar/current/tools && ../bin/python -m nectar_admin"
_SCORE: Final = re.compile(r"Overall exposure level for \S+: ([\d.]+)")
_PATIENCE_S: Final = 180.0
_POLL_S: Final = 3.0
# Prints the certificate that a server shows.
_SHOWN: Final = 'import ssl; print(ssl.get_server_certificate(("{}", 8443)))'


def services(machine: str) -> Look:
    """Expect units that run, start at boot, have no fault that systemd finds, and are shut in."""

    def look(network: Network) -> str:
        units = network.ask(machine, f"ls {_UNITS}").split()
        names = [unit.rpartition("/")[2] for unit in units]
        _await(lambda: network.ask(machine, f"systemctl is-active {' '.join(names)}"))
        network.ask(machine, f"systemctl is-enabled {' '.join(names)}")
        said = network.ask(machine, f"sudo systemd-analyze verify {' '.join(units)} 2>&1")
        _must(not said, f"{machine}: systemd-analyze verify: expected nothing, got {said}")
        scores = {name: _exposed(network, machine, name) for name in names}
        high = {name: score for name, score in scores.items() if score > MOST_EXPOSED}
        _must(not high, f"{machine}: expected at most {MOST_EXPOSED}, got {high}")
        told = ", ".join(f"{name.removesuffix('.service')} {scores[name]}" for name in names)
        return f"verify silent; security: {told}"

    return look


def devices(server: str, online: Collection[str], removed: Collection[str] = ()) -> Look:
    """Expect a server to list these devices as online, and those as removed."""
    expected = {**dict.fromkeys(online, "online"), **dict.fromkeys(removed, "unregistered")}

    def look(network: Network) -> str:
        def listed() -> str:
            told = json.loads(network.ask(server, f"{_ADMIN} devices list ~/keys --json"))
            got = {device["name"]: device["status"] for device in told}
            _must(got == expected, f"devices list: expected {expected}, got {got}")
            return ", ".join(f"{name} {status}" for name, status in got.items())

        return _await(listed)

    return look


def journal(server: str, run: str, rounds: int, clients: int) -> Look:
    """Expect a good reply of every client in every round of a run."""

    def look(network: Network) -> str:
        text = network.ask(server, f"sudo cat /var/lib/nectar/runs/{run}/rounds.jsonl")
        lines = [json.loads(line) for line in text.splitlines()]
        _must(len(lines) == rounds, f"run {run}: expected {rounds} rounds, got {len(lines)}")
        for line in lines:
            good = [name for name, node in line["nodes"].items() if "failure" not in node]
            told = f"run {run}, round {line['round']}: expected {clients} clients, got {line}"
            _must(len(good) == clients, told)
        return f"{rounds} rounds of {clients} clients, accuracy at last {lines[-1]['accuracy']:.3f}"

    return look


def labels(board: str, file: str) -> Look:
    """Expect each photograph of a board to have one of its classes as label."""

    def look(network: Network) -> str:
        rows = list(csv.DictReader(network.ask(board, f"cat {file}").splitlines()))
        photographs = EACH * len(SHAPES)
        _must(len(rows) == photographs, f"expected {photographs} labels, got {len(rows)}")
        strange = {row["label"] for row in rows} - set(SHAPES)
        _must(not strange, f"expected labels of {list(SHAPES)}, got {strange}")
        right = sum(row["file"].split("/")[-2] == row["label"] for row in rows)
        return f"{photographs} photographs labelled, {right} rightly"

    return look


def certificate(owner: str, server: str) -> Look:
    """Expect a server to show the certificate that was made last."""

    def look(network: Network) -> str:
        made = network.ask(owner, "cat nectar/keys/server/server.crt")

        def shown() -> str:
            ask = f"python3 -c '{_SHOWN.format(server)}'"
            _must(network.ask(owner, ask).strip() in made, f"{server}: shows an older certificate")
            return "the new one is shown"

        return _await(shown)

    return look


def release(machine: str, *, newest: bool) -> Look:
    """Expect the newest release in use, or the one before."""

    def look(network: Network) -> str:
        releases = sorted(network.ask(machine, "ls /opt/nectar/releases").split())
        used = network.ask(machine, "basename $(readlink /opt/nectar/current)").strip()
        expected = releases[-1 if newest else -2]
        _must(used == expected, f"{machine}: expected {expected} of {releases}, got {used}")
        return used

    return look


def removed(machine: str) -> Look:
    """Expect keys, state and releases, and no service."""

    def look(network: Network) -> str:
        # One that ended badly is remembered for a while, without its file.
        ask = "systemctl list-unit-files --no-legend 'nectar-*' || true"
        units = network.ask(machine, ask)
        _must(not units.strip(), f"{machine}: expected no unit of Nectar's, got {units}")
        network.ask(machine, "ls -d /etc/nectar /var/lib/nectar /opt/nectar/current")
        return "no services; keys, state and releases are kept"

    return look


def reboot(machine: str) -> Look:
    """Boot a machine, and expect its services."""

    def look(network: Network) -> str:
        network.restart(machine)
        return services(machine)(network)

    return look


def _exposed(network: Network, machine: str, unit: str) -> float:
    said = network.ask(machine, f"systemd-analyze security --no-pager {unit}")
    found = _SCORE.search(said)
    if found is None:
        raise MachineError(f"{machine}: systemd-analyze security {unit}: got {said}")
    return float(found[1])


def _await(look: Callable[[], str]) -> str:
    """Look until it is so; services take seconds to start, and nodes to come back."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return look()
        except MachineError:
            if time.monotonic() > until:
                raise
        time.sleep(_POLL_S)


def _must(good: bool, told: str) -> None:
    if not good:
        raise MachineError(told)
