"""Devices that a SuperLink lets in: by their keys, under the names of their folders."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, final

from cryptography.hazmat.primitives import serialization

from nectar_admin import private_files
from nectar_admin.control import UNREGISTERED, Admission, Node
from nectar_admin.device_folder import Device
from nectar_admin.errors import AdminError, UnreachableError
from nectar_admin.run_journal import ClientRounds, Run

_LOOK_S: Final = 1.0
_NOT_REGISTERED: Final = "not registered"


def wait_for(control: Admission, patience_s: float, tell: Callable[[float], None]) -> None:
    """Wait until the SuperLink answers.

    Parameters
    ----------
    control : Admission
        The SuperLink.
    patience_s : float
        Seconds to wait; 0 to ask once.
    tell : Callable[[float], None]
        Called with the seconds that have passed whenever it did not answer.

    Raises
    ------
    UnreachableError
        If it does not in time.
    AdminError
        At once if it answers, but cannot be talked to.
    """
    started = time.monotonic()
    while True:
        try:
            control.nodes()
        except UnreachableError:
            passed_s = time.monotonic() - started
            if passed_s >= patience_s:
                raise
            tell(passed_s)
            time.sleep(min(_LOOK_S, patience_s - passed_s))
        else:
            return


def add(device: Device, control: Admission) -> str:
    """Let a device in and keep its node's number beside its key; return what came of it.

    A device that is in already is let be.

    Raises
    ------
    AdminError
        If its key is void, or the SuperLink refuses.
    """
    device.require_not_removed()
    key = _pem(device)
    registered = control.register(key)
    if registered is not None:
        _keep(device, registered)
        return f"{device.name}: registered as node {registered}"
    node = _find(control.nodes(), key)
    if node is None:
        raise AdminError(
            f"{device.name}: its key is in use at this SuperLink, by an account that is not yours; "
            f"make the device a key of its own under a new name by: keys node"
        )
    if node.status == UNREGISTERED:
        _mark_removed(device, node.node_id)
        device.require_not_removed()
    _keep(device, node.node_id)
    return f"{device.name}: is registered already, as node {node.node_id}"


def remove(device: Device, control: Admission) -> str:
    """Let a device in no more; return what came of it.

    Raises
    ------
    AdminError
        If it was never let in, or the SuperLink refuses.
    """
    node = _find(control.nodes(), _pem(device))
    if node is None:
        raise AdminError(f"{device.name}: is not registered at this SuperLink; nothing was removed")
    is_new = node.status != UNREGISTERED
    if is_new:
        control.unregister(node.node_id)
    _mark_removed(device, node.node_id)
    return (
        f"{device.name}: node {node.node_id} {'is' if is_new else 'was'} unregistered. Its key is "
        f"void for ever. To let the device in again, give it a key under a new name: keys node "
        f"{device.path.parents[1]} NEWNAME, devices add, and the files of nodes/NEWNAME in the "
        f"place of the old ones; with its partition-id it is the same client as before"
    )


@final
@dataclass(frozen=True)
class Listed:
    """What is known of one device.

    Attributes
    ----------
    name : str
        Name of its folder; empty for a node whose key has none here.
    node_id : int | None
        The SuperLink's number for it.
    status : str
        As ``Node.status``, or ``"not registered"``.
    since : datetime | None
        Since when.
    client : int | None
        Its partition in the run that was looked at.
    rounds : ClientRounds | None
        What that run's journal says of it.
    """

    name: str
    node_id: int | None
    status: str
    since: datetime | None
    client: int | None
    rounds: ClientRounds | None


def listed(devices: Sequence[Device], nodes: Sequence[Node], run: Run | None) -> Iterator[Listed]:
    """Yield each device that has a folder, then each other node that is registered.

    Raises
    ------
    AdminError
        If a public key cannot be read.
    """
    known = {node.public_key or str(node.node_id).encode(): node for node in nodes}
    keys = set[bytes]()
    for device in devices:
        if device.public_key.exists():
            key = _pem(device)
            keys.add(key)
            yield _listed(device.name, known.get(key), run)
    for key, node in known.items():
        if key not in keys and node.status != UNREGISTERED:
            yield _listed("", node, run)


def _listed(name: str, node: Node | None, run: Run | None) -> Listed:
    if node is None:
        return Listed(name, None, _NOT_REGISTERED, None, None, None)
    client = run.clients.get(node.node_id) if run else None
    rounds = run.rounds.get(client) if run and client is not None else None
    return Listed(name, node.node_id, node.status, node.since, client, rounds)


def _pem(device: Device) -> bytes:
    """Return a public key in the form in which Flower sends it."""
    return device.read_public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _find(nodes: Sequence[Node], key: bytes) -> Node | None:
    return next((node for node in nodes if node.public_key == key), None)


def _keep(device: Device, node_id: int) -> None:
    if device.known_id() != node_id:
        _write(device.node_id, node_id)


def _mark_removed(device: Device, node_id: int) -> None:
    _write(device.removed, node_id)
    with suppress(FileNotFoundError):
        device.node_id.unlink()


def _write(path: Path, node_id: int) -> None:
    try:
        private_files.write(path, f"{node_id}\n".encode())
    except OSError as error:
        raise AdminError(
            f"{path}: cannot be written ({error.strerror}); what was asked for is done, and the "
            f"same command may be given again: node {node_id}"
        ) from None
