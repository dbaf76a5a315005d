"""What a device says of itself before its first round."""

from client_app.cost import cost_of_a_client
from client_app.devices.adapter_device import LocalAdapterDevice
from client_app.devices.exchange_device import ExchangeNode
from client_app.devices.kinds import AnyLocalDevice
from client_app.devices.message_device import LocalDevice
from strategies.common.inputs import sizes_of
from strategies.common.method import AnyClientHalf
from strategies.common.samples import class_counts
from strategies.common.transport.control import Description


def describe_device(half: AnyClientHalf, device: AnyLocalDevice) -> Description:
    """Describe the clients that a device carries; models that it is to train are built once.

    Raises
    ------
    NectarError
        If data or model cannot be had.
    """
    settings, task = device.settings, device.task
    data = [client.data for client in device.clients]
    notes = [note for own in data for note in own.notes]
    figures: dict[str, float] = {}
    if isinstance(device, LocalDevice):
        notes += device.first_model()[1]
    if isinstance(device, ExchangeNode) and half.provided.split.profile:
        figures, told = cost_of_a_client(half.provided.split, task, settings.client_threads)
        notes += told
    # Lists of answers are each client's own.
    private = isinstance(device, LocalAdapterDevice)
    shared = device.clients if settings.share_class_counts and not private else ()
    foundation = task.foundation
    return Description(
        partition=device.partition,
        num_partitions=device.node.num_partitions,
        model=device.model_name,
        num_classes=task.num_classes,
        inputs=task.inputs.kind,
        sizes=sizes_of(task.inputs),
        feature_dim=task.feature_dim,
        foundation=foundation.sha256 if foundation else "",
        rank=foundation.rank if foundation else 0,
        places=[place.to_word() for place in foundation.places] if foundation else [],
        class_names=[] if private else list(data[0].class_names),
        train_samples=sum(len(client.train) for client in device.clients),
        test_samples=sum(len(own.test) for own in data),
        train_counts=[n for own in shared for n in class_counts(own.train, task.num_classes)],
        test_counts=[n for own in shared for n in class_counts(own.test, task.num_classes)],
        clients=len(data),
        notes=notes,
        figures=figures,
    )
