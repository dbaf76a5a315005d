"""What a client does before the first round: it sends seeds, and generates what it lacks."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from flwr.app import RecordDict

from client_app.devices.generated import Generated
from client_app.devices.kinds import AnyLocalDevice
from client_app.devices.message_device import LocalDevice
from strategies.common import seeds, tensor_file
from strategies.common.agreed import Agreed
from strategies.common.errors import StoreError, WireError
from strategies.common.payload import Payload
from strategies.common.samples import Samples
from strategies.common.transport.augmenting import digest
from strategies.common.transport.control import Order
from strategies.common.transport.envelope import read_payload
from strategies.faug.client import Lacking, generated, seeds_of
from strategies.faug.wire import Generator

Work = Callable[[LocalDevice, Agreed, RecordDict, Path], Payload | None]

FILE: Final = "augmentation.safetensors"
_SERVER: Final = "server"


def equip(device: AnyLocalDevice, folder: Path) -> None:
    """Let a device learn from what its client generated in a run, where it has augmentation."""
    if not isinstance(device, LocalDevice) or device.settings.augmentation == "none":
        return
    try:
        tensors, text = tensor_file.read(folder / FILE)
    except StoreError:  # the server sends what it was generated with once more
        return
    made = Samples(tensors["inputs"], tensors["labels"])
    generator = text.pop("generator")
    device.augmented = Generated(made, generator, {n: float(value) for n, value in text.items()})


def learner(device: AnyLocalDevice) -> LocalDevice:
    """Return a device that can learn from what is generated.

    Raises
    ------
    WireError
        If its client trains no model of its own, and should not have been asked.
    """
    if not isinstance(device, LocalDevice):
        raise WireError(
            f"{_SERVER}: expected no augmentation of {device.settings.method}, got a message of "
            f"it; only clients that train models of their own learn from generated samples"
        )
    return device


def uploaded(device: LocalDevice, agreed: Agreed, _sent: RecordDict, folder: Path) -> Payload:
    """Return the samples that the client uploads; what it generated before is forgotten.

    Raises
    ------
    StoreError
        If it cannot be forgotten.
    """
    tensor_file.remove(folder / FILE)
    number = agreed.settings.seeds_per_label
    return seeds_of(device.own_train, _lacking(device, agreed), number, _drawn(device, "seeds"))


def take(device: LocalDevice, agreed: Agreed, sent: RecordDict, folder: Path) -> None:
    """Generate what the client lacks, and keep it.

    Raises
    ------
    WireError
        If no generator was sent.
    StoreError
        If it cannot be kept.
    """
    # Of another generator; should this fail, the client is to learn from its own samples alone.
    tensor_file.remove(folder / FILE)
    received = read_payload(sent, Order, Generator, agreed, sender=_SERVER)
    if received is None:
        raise WireError(f"{_SERVER}: expected {Generator.schema}, got no payload")
    lacking = _lacking(device, agreed)
    made = generated(received, lacking, agreed, _drawn(device, "samples"))
    text = {name: repr(value) for name, value in lacking.leaks(received.labels).items()}
    text["generator"] = digest(received)
    tensors = {"inputs": made.inputs, "labels": made.labels}
    tensor_file.write(folder / FILE, tensors, text)


def _lacking(device: LocalDevice, agreed: Agreed) -> Lacking:
    counts = device.own_train.labels.bincount(minlength=agreed.task.num_classes)
    return Lacking.of(counts, agreed.settings, _drawn(device, "labels"))


def _drawn(device: LocalDevice, what: str) -> torch.Generator:
    return seeds.generator(device.settings.seed, f"faug {what}", partition=device.partition)
