"""The device's doors: a message comes in, the method's client half works, a reply goes out.

This is the only place on a device that knows Flower. Whatever is raised here reaches the
server as this node's failure, with its text.
"""

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from client_app.cost import cost_of_a_client
from client_app.device import Adapting, LocalDevice
from client_app.link import open_link
from client_app.node import read_node, state_folder
from client_app.store import ClientStore
from client_app.turn import Clock, take_turn
from strategies import methods
from strategies.common.samples import class_counts
from strategies.common.settings import read_run
from strategies.common.transport.compute import threads
from strategies.common.transport.control import Description, Order
from strategies.common.transport.envelope import (
    pack,
    read_control_record,
    read_invitation,
    read_payload,
    to_record_dict,
)

app = ClientApp()

_SERVER = "server"


@app.query()
def describe(message: Message, context: Context) -> Message:
    """Tell the server which client this is and what it holds."""
    settings = read_run(context.run_config)
    half = methods.client_half(settings.method, context.run_config)
    node = read_node(context.node_config)
    with threads(settings.client_threads):
        adapting = Adapting.of(half, context.run_config)
        device = LocalDevice(
            node, settings, 0, carried=settings.clients_per_node, adapting=adapting
        )
        model, task = device.model_name, device.task
        data = [client.data for client in device.clients]
        figures: dict[str, float] = {}
        notes = [note for own in data for note in own.notes]
        if half.exchanges:
            split = methods.split_settings(context.run_config)
            model = split.front_name
            if split.profile:
                figures, told = cost_of_a_client(split, task, settings.client_threads)
                notes += told
        elif not half.adapts:
            device.build_model()
    # Lists of answers are each client's own.
    shared = data if settings.share_class_counts and not half.adapts else []
    classes = task.num_classes
    description = Description(
        partition=node.partition_id,
        num_partitions=node.num_partitions,
        model=model,
        num_classes=task.num_classes,
        channels=task.channels,
        height=task.height,
        width=task.width,
        feature_dim=task.feature_dim,
        foundation=task.foundation.sha256 if task.foundation else "",
        rank=task.foundation.rank if task.foundation else 0,
        places=[place.to_word() for place in task.foundation.places] if task.foundation else [],
        class_names=[] if half.adapts else list(data[0].class_names),
        train_samples=sum(len(own.train) for own in data),
        test_samples=sum(len(own.test) for own in data),
        train_counts=[n for own in shared for n in class_counts(own.train, classes)],
        test_counts=[n for own in shared for n in class_counts(own.test, classes)],
        clients=len(data),
        notes=notes,
        figures=figures,
    )
    return Message(to_record_dict(description, None), reply_to=message)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Learn for one round, test, save, and reply with all of it at once."""
    return _take_part(message, context, learn=True)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Test the client's model as it stands; nothing is learnt or saved."""
    return _take_part(message, context, learn=False)


def _take_part(message: Message, context: Context, *, learn: bool) -> Message:
    clock = Clock()
    settings = read_run(context.run_config)
    half = methods.client_half(settings.method, context.run_config)
    node = read_node(context.node_config)
    order = read_control_record(message.content, Order, sender=_SERVER)
    store = ClientStore(state_folder(node, settings) / order.run / str(node.partition_id))
    invitation = read_invitation(message.content, sender=_SERVER)
    with threads(settings.client_threads), open_link(invitation, node.partition_id) as link:
        device = LocalDevice(
            node,
            settings,
            order.round_number,
            carried=settings.clients_per_node,
            link=link,
            adapting=Adapting.of(half, context.run_config),
        )
        downlink = read_payload(
            message.content,
            Order,
            half.downlink,
            device.task,
            wire_dtype=settings.wire_dtype,
            sender=_SERVER,
        )
        report, uplink = take_turn(half, device, store, order, downlink, clock, learn=learn)
        parcel = pack(uplink, settings.wire_dtype)
    return Message(to_record_dict(report, parcel), reply_to=message)
