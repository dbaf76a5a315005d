"""The device's doors: a message comes in, the method's client half works, a reply goes out.

This is the only place on a device that knows Flower. Whatever is raised here reaches the
server as this node's failure, with its text.
"""

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

# A worker of Ray looks into the working folder first, where a user may have a file models.py.
sys.path.insert(0, str(Path(__file__).parents[1]))

from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp

from client_app import augmented
from client_app.carried_errors import errors_that_travel
from client_app.data import known_classes, sources
from client_app.description import describe_device
from client_app.devices.adapter_device import LocalAdapterDevice
from client_app.devices.kinds import AnyLocalDevice, device_for
from client_app.devices.message_device import LocalDevice
from client_app.half import client_half
from client_app.link import open_link
from client_app.node import NodeConfig, read_node, state_folder
from client_app.own_places import by_name, told_by_name
from client_app.private_classes import PrivateClasses, classes_by_number
from client_app.store import ClientStore, Standing, Stored
from client_app.turn import Clock, take_turn
from strategies import methods
from strategies.common.agreed import Agreed
from strategies.common.errors import SettingsError, StoreError
from strategies.common.guard import guard_of
from strategies.common.home import expanded
from strategies.common.run_config import RunConfig, default_config, read_run
from strategies.common.settings import DEVICES_OWN, RunSettings
from strategies.common.simulated import Conditions, read_simulated
from strategies.common.transport.augmenting import GENERATE, SEEDS
from strategies.common.transport.compute import threads
from strategies.common.transport.control import Order
from strategies.common.transport.envelope import (
    count_bytes,
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
    return _describe(message, context)


@app.query(SEEDS)
def upload_seeds(message: Message, context: Context) -> Message:
    """Do the same, with samples for a generator of what clients lack."""
    return _describe(message, context, augmented.uploaded)


@app.query(GENERATE)
def generate(message: Message, context: Context) -> Message:
    """Generate what the client lacks, and tell what it holds from now on."""
    return _describe(message, context, augmented.take)


def _describe(message: Message, context: Context, work: augmented.Work | None = None) -> Message:
    places = _places(context)
    with errors_that_travel(), classes_by_number() as private, told_by_name(places):
        order = read_control_record(message.content, Order, sender=_SERVER)
        config = _config(order, context)
        settings = read_run(config)
        half = client_half(settings, config)
        node = read_node(context.node_config)
        _keep_classes(private, node, settings)
        device = device_for(half, node, settings, round_number=0)
        folder = _folder(node, settings, order)
        if isinstance(device, LocalAdapterDevice):
            device.answers = ClientStore(folder).newest().origin.classes
        with threads(settings.client_threads):
            sent = None
            if work is not None:
                own = methods.augmentation_settings(config)
                learner = augmented.learner(device)
                sent = work(learner, Agreed(device.task, settings, own), message.content, folder)
            augmented.equip(device, folder)
            description = describe_device(half, device)
    told = description.model_copy(
        update={"notes": [by_name(note, places) for note in description.notes]}
    )
    parcel = pack(sent, settings.wire_dtype)
    return Message(to_record_dict(told, parcel), reply_to=message)


@app.query("ping")
def show_presence(message: Message, _context: Context) -> Message:
    """Answer at once; that the turn came to this message is all that the server wants to know."""
    return Message(RecordDict(), reply_to=message)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Learn for one round, test, save, and reply with all of it at once."""
    return _take_part(message, context, learn=True)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Test the client's model as it stands; nothing is learnt or saved."""
    return _take_part(message, context, learn=False)


def _take_part(message: Message, context: Context, *, learn: bool) -> Message:
    places = _places(context)
    with errors_that_travel(), classes_by_number() as private, told_by_name(places):
        return _play(message, context, places, private, learn=learn)


def _play(
    message: Message,
    context: Context,
    places: Sequence[str],
    private: PrivateClasses,
    *,
    learn: bool,
) -> Message:
    clock = Clock()
    order = read_control_record(message.content, Order, sender=_SERVER)
    given = _config(order, context)
    settings = read_run(given)
    config = methods.resolved_config(settings.method, given, order.resolved)
    half = client_half(settings, config)
    node = read_node(context.node_config)
    _keep_classes(private, node, settings)
    conditions = _conditions(config, settings, node, order)
    conditions.require_presence()
    folder = _folder(node, settings, order)
    store = ClientStore(folder)
    held = store.hold() if learn else nullcontext()
    invitation = read_invitation(message.content, sender=_SERVER)
    opened = open_link(invitation, node.partition_id)
    with held, threads(settings.client_threads), opened as link:
        stored = store.load(order.continue_from)
        device = device_for(half, node, settings, order.round_number, link)
        augmented.equip(device, folder)
        standing = Standing(store, _taken_up(stored, device, order.run))
        agreed, phase = half.provided.agree(device.task), half.phase(order.round_number)
        if phase.follows_model and isinstance(device, LocalDevice):
            agreed = replace(agreed, architecture=device.architecture)
        downlink = read_payload(message.content, Order, phase.down, agreed, sender=_SERVER)
        report, uplink = take_turn(
            half, device, standing, order, downlink, clock, learn=learn, conditions=conditions
        )
        notes = [private.told(by_name(note, places)) for note in report.notes]
        report = report.model_copy(update={"notes": notes})
        if uplink is not None:
            uplink = guard_of(settings).leaving(uplink, device.generator("guard"))
        parcel = pack(uplink, settings.wire_dtype)
    reply = Message(to_record_dict(report, parcel), reply_to=message)
    carried = (message.content, reply.content)
    conditions.transmit(sum(sum(count_bytes(content).values()) for content in carried))
    return reply


_NAMING_PLACES = ("state-dir", "data", "open-data", "vocabulary-file")


def _places(context: Context) -> list[str]:
    """Return the folders that this device was told of, as texts about them name them."""
    configs = (context.run_config, context.node_config)
    told = [str(config.get(key, "")) for config in configs for key in _NAMING_PLACES]
    told += str(context.node_config.get("model", "")), str(context.run_config.get("models", ""))
    # A source or model of one's own is a kind or a place, a colon, and a place or a name.
    parts = [part.strip() for text in told for part in (text, *text.replace(",", ":").split(":"))]
    paths = [_at_home(part) for part in parts if part]
    # What lies beside a file that was named is told by name as well.
    paths += [path.parent for path in paths if path.suffix]
    return [str(form) for path in paths for form in (path.absolute(), path.resolve())]


def _at_home(part: str) -> Path:
    # What is told of a device may hold such a sign without being a place.
    with suppress(StoreError):
        return expanded(part)
    return Path(part)


def _keep_classes(private: PrivateClasses, node: NodeConfig, settings: RunSettings) -> None:
    """Keep names of classes on a device that does not share them, whatever is told of its data."""
    if not settings.share_class_names:
        private.keep(lambda: known_classes.names_of(sources.parse(node.data or settings.data)))


def _folder(node: NodeConfig, settings: RunSettings, order: Order) -> Path:
    return state_folder(node, settings) / order.run / str(node.partition_id)


def _taken_up(stored: Stored, device: AnyLocalDevice, run: str) -> Stored:
    """Return a state that goes on with what the device has, and with notes on what has changed.

    Raises
    ------
    NectarError
        If it does not go on with it, before anything of another shape meets it.
    """
    if not stored.round_number:
        return stored
    stored.require_of(run, device.settings.method)
    own = isinstance(device, LocalAdapterDevice)
    private = own or not device.settings.share_class_names
    if isinstance(device, LocalAdapterDevice):
        device.answers = stored.origin.classes
    now = device.origin
    notes = stored.origin.compare(now, private=private)
    if stored.origin.contents and stored.origin.contents != now.contents:
        notes += tuple(note for client in device.clients for note in client.data.notes)
    return replace(stored, notes=stored.notes + notes)


def _conditions(
    config: RunConfig, settings: RunSettings, node: NodeConfig, order: Order
) -> Conditions:
    return Conditions(
        read_simulated(config),
        seed=settings.seed,
        partition=node.partition_id,
        num_partitions=node.num_partitions,
        round_number=order.round_number,
        min_replies=settings.min_replies,
        # Beyond the round's deadline nobody waits for the reply.
        wait=lambda seconds: time.sleep(min(seconds, settings.round_deadline_s)),
    )


def _config(order: Order, context: Context) -> RunConfig:
    """Return Flower's run config, in which what the server was given takes its place.

    Where it was given anything, an app of one's own need not declare every setting.

    Raises
    ------
    SettingsError
        If it was given what the device's owner decides.
    """
    if not order.given:
        return context.run_config
    if taken := sorted(DEVICES_OWN & order.given.keys()):
        raise SettingsError(
            f"order: expected settings of the run, got {', '.join(taken)} of this device; give it "
            f"in the run config"
        )
    return {**default_config(), **context.run_config, **order.given}
