"""The device's doors: a message comes in, the method's client half works, a reply goes out.

This is the only place on a device that knows Flower. Whatever is raised here reaches the
server as this node's failure, with its text.
"""

import time

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from client_app.device import LocalDevice
from client_app.node import read_node, state_folder
from client_app.store import ClientStore
from strategies import methods
from strategies.common import seeds
from strategies.common.compute import threads
from strategies.common.control import Description, Order, Report
from strategies.common.envelope import (
    Parcel,
    pack,
    read_control_record,
    read_payload,
    to_record_dict,
)
from strategies.common.settings import read_run
from strategies.common.state import load_tensors, to_tensors

app = ClientApp()

_SERVER = "server"


@app.query()
def describe(message: Message, context: Context) -> Message:
    """Tell the server which client this is and what it holds."""
    settings = read_run(context.run_config)
    methods.method_settings(settings.method, context.run_config)
    node = read_node(context.node_config)
    with threads(settings.client_threads):
        device = LocalDevice(node, settings, round_number=0)
        data, task = device.data, device.task
        device.build_model()
    counts = settings.share_class_counts
    description = Description(
        partition=node.partition_id,
        num_partitions=node.num_partitions,
        model=device.model_name,
        num_classes=task.num_classes,
        channels=task.channels,
        height=task.height,
        width=task.width,
        feature_dim=task.feature_dim,
        class_names=list(data.class_names),
        train_samples=len(data.train),
        test_samples=len(data.test),
        train_counts=data.train.labels.bincount(minlength=task.num_classes).tolist()
        if counts
        else [],
        test_counts=data.test.labels.bincount(minlength=task.num_classes).tolist()
        if counts
        else [],
        notes=list(data.notes),
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
    settings = read_run(context.run_config)
    node = read_node(context.node_config)
    order = read_control_record(message.content, Order, sender=_SERVER)
    store = ClientStore(state_folder(node, settings) / order.run / str(node.partition_id))
    with threads(settings.client_threads):
        device = LocalDevice(node, settings, order.round_number)
        report, parcel = _round(message, context, device, store, order, learn=learn)
    return Message(to_record_dict(report, parcel), reply_to=message)


def _round(
    message: Message,
    context: Context,
    device: LocalDevice,
    store: ClientStore,
    order: Order,
    *,
    learn: bool,
) -> tuple[Report, Parcel | None]:
    settings = device.settings
    half = methods.client_half(settings.method, context.run_config)
    clock = _Clock()
    downlink = read_payload(
        message.content,
        Order,
        half.downlink,
        device.task,
        wire_dtype=settings.wire_dtype,
        sender=_SERVER,
    )
    stored = store.load(order.continue_from)
    state = half.start(device)
    if stored.round_number:
        load_tensors(state, stored.tensors)
    load_s = clock.lap()
    losses, parcel = {}, None
    purpose = seeds.derive(
        settings.seed, "training", round_number=order.round_number, partition=device.partition
    )
    if learn:
        with seeds.seeded(purpose):
            trained = half.train(device, state, downlink)
        losses, parcel = dict(trained.losses), pack(trained.uplink, settings.wire_dtype)
    train_s = clock.lap()
    evaluation = half.evaluate(device, state, downlink)
    evaluate_s = clock.lap()
    if learn:
        store.save(order.round_number, to_tensors(state), base=stored.round_number)
    report = Report(
        round_number=order.round_number,
        continued_from=stored.round_number,
        correct=evaluation.correct,
        test_samples=len(device.test),
        loss=evaluation.loss,
        train_samples=len(device.train),
        load_s=load_s,
        train_s=train_s,
        evaluate_s=evaluate_s,
        save_s=clock.lap(),
        notes=list(stored.notes),
        losses=losses,
    )
    return report, parcel


class _Clock:
    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Return the seconds since the lap before."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        return seconds
