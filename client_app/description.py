"""What a device says of itself before its first round."""

from collections.abc import Sequence
from typing import Any

from client_app.cost import cost_of_a_client
from client_app.data import sources
from client_app.data.client_data import ClientData
from client_app.data.value_range import range_of
from client_app.devices.adapter_device import LocalAdapterDevice
from client_app.devices.exchange_device import ExchangeNode
from client_app.devices.kinds import AnyLocalDevice
from client_app.devices.message_device import LocalDevice
from client_app.private_classes import as_sent, by_number
from strategies.common.architecture import NO_MODEL
from strategies.common.errors import DataError
from strategies.common.inputs import sizes_of
from strategies.common.method import AnyClientHalf
from strategies.common.names import digest
from strategies.common.samples import class_counts
from strategies.common.transport.control import Description
from strategies.common.transport.ranges import MAX_FIGURE


def describe_device(half: AnyClientHalf, device: AnyLocalDevice) -> Description:
    """Describe the clients that a device carries; models that it is to train are built once.

    Raises
    ------
    NectarError
        If data or model cannot be had.
    """
    settings, task = device.settings, device.task
    data = [client.data for client in device.clients]
    # A node's clients may come from one source, which says the same of itself for each.
    notes = list(dict.fromkeys(note for own in data for note in own.notes))
    figures: dict[str, float] = {}
    if isinstance(device, LocalDevice):
        notes += [*device.first_model()[1], *device.open_notes()]
        figures |= device.augmented.figures if device.augmented else {}
    if isinstance(device, ExchangeNode) and half.provided.split.profile:
        figures, more = cost_of_a_client(half.provided.split, task, settings.client_threads)
        notes += more
    # Lists of answers are each client's own.
    private = isinstance(device, LocalAdapterDevice)
    shared = device.clients if settings.share_class_counts and not private else ()
    foundation = task.foundation
    holds = NO_MODEL
    if isinstance(device, LocalDevice) and half.phase(1).follows_model:
        holds = device.architecture
    values = _values(data)
    # Units are each client's own then, and what a network reads has one scale whatever they are.
    normalised_here = settings.normalise != "none"
    # Every client of a node has the same classes.
    names = [] if private else [as_sent(name) for name in data[0].class_names]
    told = names if settings.share_class_names else []
    return Description(
        partition=device.partition,
        num_partitions=device.node.num_partitions,
        model=device.model_name,
        architecture=holds.digest,
        parameters=holds.parameters,
        statistics=holds.statistics,
        variances=holds.variances,
        num_classes=task.num_classes,
        inputs=task.inputs.kind,
        sizes=sizes_of(task.inputs),
        feature_dim=task.feature_dim,
        foundation=foundation.sha256 if foundation else "",
        rank=foundation.rank if foundation else 0,
        places=[place.to_word() for place in foundation.places] if foundation else [],
        open_set=task.open_set.sha256 if task.open_set else "",
        open_samples=task.open_set.samples if task.open_set else 0,
        class_names=told,
        class_digest=digest(names) if names else "",
        classes_counted=data[0].counted,
        source=sources.parse(device.node.data or settings.data).kind,
        dealt=data[0].dealt,
        words=data[0].words,
        **({} if normalised_here else values),
        train_samples=sum(len(client.train) for client in device.clients),
        test_samples=sum(len(own.test) for own in data),
        train_counts=[n for one in shared for n in class_counts(one.own_train, task.num_classes)],
        test_counts=[n for own in shared for n in class_counts(own.test, task.num_classes)],
        clients=len(data),
        **_generated(device),
        notes=[by_number(note, () if told else names) for note in notes],
        figures=figures,
    )


def _generated(device: AnyLocalDevice) -> dict[str, Any]:
    """Return how many samples the client generated, and with what."""
    if not isinstance(device, LocalDevice) or device.augmented is None:
        return {}
    kept = device.augmented
    return {"generated": len(kept.samples), "generator": kept.generator}


def _values(data: Sequence[ClientData]) -> dict[str, Any]:
    """Return kind and range of the values that the clients learn from; nothing of tokens."""
    found = range_of(own.train.inputs for own in data)
    if found is None:
        return {}
    if max(-found.low, found.high) > MAX_FIGURE:
        raise DataError(
            f"data: expected values of at most {MAX_FIGURE:g} to learn from, got larger ones; "
            f"remove the samples that hold them, or scale them down"
        )
    # Three digits tell scales apart, and say little of single samples.
    return {
        "values": found.kind,
        "lowest": float(f"{found.low:.3g}"),
        "highest": float(f"{found.high:.3g}"),
    }
