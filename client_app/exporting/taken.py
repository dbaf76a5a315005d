"""A client's model as its state has it, whole: built, loaded, and described."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from client_app.blueprint import Blueprint
from client_app.devices.data_device import DataDevice
from client_app.devices.exchange_device import LogicalClient
from client_app.devices.message_device import LocalDevice
from client_app.exporting import card, server_run
from client_app.exporting.card import Architecture, Measured, ModelCard
from client_app.exporting.server_run import ServerRun
from client_app.half import client_half
from client_app.own_places import by_name
from client_app.store import ClientStore, Stored, client_folder
from models import catalogue, own
from strategies import methods
from strategies.common.architecture import Architecture as Holds
from strategies.common.channel_scale import ChannelScale, Normalised
from strategies.common.classifiers import FUSED, MEANINGS, kind_of
from strategies.common.errors import ModelError, SettingsError, StoreError
from strategies.common.inputs import Inputs
from strategies.common.message import MessageClient
from strategies.common.run_config import app_version, read_run
from strategies.common.samples import Samples
from strategies.common.split.halves import SplitClientHalf
from strategies.common.transport.state import load_tensors
from strategies.common.wire import decode, encode

_UNKNOWN: Final = Measured(None, 0, "")
_CODED: Final = "the clients' activations were measured as they travelled, in {codec}"


@final
@dataclass(frozen=True)
class Taken:
    """A model that can be written.

    Attributes
    ----------
    network : nn.Module
        From prepared inputs to scores or features, in evaluation mode.
    card : ModelCard
        What it is, without files.
    device : DataDevice
        Gives the client's own samples, read on first use.
    """

    network: nn.Module
    card: ModelCard
    device: DataDevice

    @property
    def test(self) -> Samples:
        """The client's own test samples."""
        return self.device.data.test


def take(folder: Path, *, server: Path | None = None, data: str = "", state_dir: Path) -> Taken:
    """Build a client's model, and load what its state and the server have of it.

    Where a part of it lies on the server, the state is the one that was tested with that part.

    Parameters
    ----------
    folder : Path
        As :func:`client_app.exporting.found.find` returns it.
    server : Path | None
        Folder of the run on the server, where that holds a part of what classifies.
    data : str
        Source of the samples, if not that of the run.
    state_dir : Path
        Where prepared data are kept.

    Raises
    ------
    NectarError
        If there is no intact state, it is of a method that leaves no such model, or what it needs
        beside it is not there; saying what to do.
    """
    store = ClientStore(folder)
    stored = store.newest()
    if not stored.round_number:
        raise StoreError(
            f"{folder}: expected an intact state, got: {'; '.join(stored.notes)}; put the folder "
            f"back from a copy, or play the run for another round"
        )
    _refuse_adapters(folder, stored.method)
    blueprint = Blueprint.from_text(stored.blueprint, str(folder))
    named = client_folder(folder)
    if named.name not in ("", str(blueprint.partition)):
        raise StoreError(
            f"{folder}: expected the state of client {named.name}, got that of client "
            f"{blueprint.partition}; put each client's own back"
        )
    config = blueprint.config()
    settings = read_run(config)
    half = client_half(settings, config)
    half.provided.agree(blueprint.task)
    node = blueprint.node(data, str(state_dir))
    held = server_run.read(server, blueprint.settings, stored.run) if server is not None else None
    if isinstance(half, SplitClientHalf):
        first = blueprint.partition * settings.clients_per_node
        clients = blueprint.num_partitions * settings.clients_per_node
        own_node = node.model_copy(update={"partition_id": first, "num_partitions": clients})
        device: DataDevice = LogicalClient(own_node, settings, stored.round_number)
        return _whole_network(folder, stored, blueprint, half, held, device)
    if isinstance(half, MessageClient):
        local = LocalDevice(node, settings, stored.round_number)
        local.known_task, local.begins = blueprint.task, False
        if held is not None and half.testing().is_later:
            stored = _as_tested(store, stored, held.accepted.get(blueprint.partition, 0))
        local.kept_scale = stored.beside
        return _own_model(folder, stored, blueprint, half, held, local)
    raise SettingsError(
        f"{folder}: expected a method whose clients have a model, got {settings.method}"
    )


def _own_model(
    folder: Path,
    stored: Stored,
    blueprint: Blueprint,
    half: MessageClient[Any, Any, Any, Any],
    held: ServerRun | None,
    device: LocalDevice,
) -> Taken:
    """Take the model of a method of one message per round, with what classifies."""
    _require_common_test(folder, half)
    state = half.start(device)
    try:
        load_tensors(state, stored.tensors)
    except StoreError as error:
        reason = " ".join(str(error).split())
        raise StoreError(
            f"{folder}: expected a state of {blueprint.architecture}, got: {reason}; was the "
            f"model's file changed since? Put back the one that was trained"
        ) from None
    measured: Measured | None = _of_device(blueprint, stored.round_number)
    downlink = None
    if half.testing().is_later:
        held = _required(folder, held, half, "what classifies its clients' samples")
        sent = half.sent_by(held.tensors, state)
        if sent is not None:
            blob = encode(sent, device.settings.wire_dtype)
            agreed = replace(half.agreed, architecture=Holds.of(state.model))
            downlink = decode(type(sent), blob, agreed, sender="server")
        tested = held.accepted.get(blueprint.partition, 0) == stored.round_number
        measured = held.measured(blueprint.partition) if tested else None
    with torch.no_grad():
        classifier = half.classifier(device, state, downlink)
    kind = kind_of(classifier)
    made = _card(folder, stored, blueprint, measured or _UNKNOWN)
    described = replace(made, classifier=kind, classified_by=MEANINGS[kind])
    if kind == FUSED:
        built_by = replace(made.architecture, beside=_in_zoo(folder, half.agreed.beside.name))
        described = replace(described, architecture=built_by)
    return _reading_raw(Taken(classifier.eval(), described, device), stored)


def _reading_raw(taken: Taken, stored: Stored) -> Taken:
    """Put what a client's windows are normalised by before its network, if they are."""
    if taken.device.settings.normalise == "none":
        return taken
    inputs = taken.card.what
    scale = ChannelScale.kept(stored.beside, inputs.shape[0])
    told = card.normalisation_of(inputs, normalises=True)
    described = replace(taken.card, normalises=True, normalisation=told)
    return Taken(Normalised(scale, taken.network).eval(), described, taken.device)


def _in_zoo(folder: Path, name: str) -> str:
    """Return the name of a model beside the client's own, which is built when it is read back."""
    if name not in catalogue.MODELS:
        raise SettingsError(
            f"{folder}: expected a model of the zoo beside the client's own, got {name}, which "
            f"nobody could build from the export; name one of {', '.join(catalogue.MODELS)}"
        )
    return name


def _as_tested(store: ClientStore, newest: Stored, accepted: int) -> Stored:
    """Return the state that the server's last round tested, or the newest with a note."""
    if not accepted or accepted == newest.round_number:
        return newest
    found = store.load(accepted)
    if found.round_number == accepted:
        return found
    note = (
        f"the state is of round {newest.round_number} and the server's part goes with that of "
        f"round {accepted}, which is not there: how the model does was never tested"
    )
    return replace(newest, notes=(*newest.notes, note))


def _whole_network(
    folder: Path,
    stored: Stored,
    blueprint: Blueprint,
    half: SplitClientHalf[Any, Any, Any, Any, Any],
    held: ServerRun | None,
    device: DataDevice,
) -> Taken:
    """Take both parts of a split network from the server's checkpoint."""
    held = _required(folder, held, half, "the network, both parts of it")
    try:
        network = half.joined(_as_sent(held.tensors, half))
    except KeyError as error:
        raise StoreError(
            f"--server {held.folder}: expected a checkpoint of {half.provided.run.method}, got one "
            f"without {error}; name the folder of this run"
        ) from None
    split = half.provided.split
    classifies = network.head is not None
    carried = blueprint.settings["clients-per-node"]
    measured = held.measured(device.partition) if classifies and carried == 1 else None
    made = _card(folder, stored, blueprint, measured or _UNKNOWN)
    coded = split.codec != "float32"
    described = replace(
        made,
        round=held.round_number,
        architecture=Architecture(
            split.front_name,
            "strategies.common.split.networks.joined:build",
            own=False,
            feature_dim=_width(network),
            split=split.model_dump(by_alias=True),
        ),
        outputs=card.SCORES if classifies else card.FEATURES,
        classifier="head" if classifies else "",
        classified_by=MEANINGS["head"] if classifies else "",
        notes=(*made.notes, *((_CODED.format(codec=split.codec),) if coded else ())),
    )
    return Taken(network.eval(), described, device)


def _card(folder: Path, stored: Stored, blueprint: Blueprint, measured: Measured) -> ModelCard:
    task, settings = blueprint.task, blueprint.settings
    name = blueprint.architecture
    is_own = own.is_own(name)
    zoo = catalogue.MODELS.get(name)
    built_by = name if is_own or zoo is None else f"models.{zoo[0]}:{name}"
    names = stored.origin.classes
    known = len(names) == task.num_classes
    return ModelCard(
        made_by=card.MADE_BY,
        version=app_version(),
        format=card.FORMAT,
        method=stored.method,
        run=client_folder(folder).parent.name,
        client=blueprint.partition,
        round=stored.round_number,
        architecture=Architecture(name, built_by, is_own, task.feature_dim, {}),
        classifier="",
        classified_by="",
        outputs=card.SCORES,
        classes=names if known else tuple(map(str, range(task.num_classes))),
        inputs=_described(task.inputs),
        image_size=int(settings["image-size"]),
        # A state of before has no such setting.
        window_length=int(settings.get("window-length", 0)),
        normalisation=card.normalisation_of(task.inputs),
        measured=measured,
        files={},
        # Where this device keeps its states is nobody's business who gets the model.
        notes=tuple(by_name(note, [folder.absolute()]) for note in stored.notes),
        words=blueprint.words,
    )


def _described(inputs: Inputs) -> dict[str, Any]:
    return {"kind": inputs.kind, "sizes": dict(vars(inputs))}


def _of_device(blueprint: Blueprint, round_number: int) -> Measured:
    if blueprint.accuracy is None:
        return _UNKNOWN
    told = f"the device's own test in round {round_number}"
    return Measured(blueprint.accuracy, blueprint.test_samples, told)


def _required(folder: Path, held: ServerRun | None, half: object, what: str) -> ServerRun:
    if held is not None:
        return held
    method = methods.display_name(half.provided.run.method)  # type: ignore[attr-defined]
    raise StoreError(
        f"{folder}: of {method}, {what}, lies on the server, and the device keeps none of it; "
        f"give a copy of the run's folder there, --server <runs-dir>/<run-name>"
    )


def _require_common_test(folder: Path, half: MessageClient[Any, Any, Any, Any]) -> None:
    """Refuse a method whose test does not say by what it classifies."""
    if type(half).evaluate is not MessageClient.evaluate:
        raise ModelError(
            f"{folder}: expected a method that says by what its clients are tested, got "
            f"{type(half).__name__} with a test of its own; write classifier in place of evaluate"
        )


def _refuse_adapters(folder: Path, method: str) -> None:
    if method in methods.METHODS and methods.adapts(method):
        place = client_folder(folder)
        run, state_dir = place.parent.name, place.parents[1]
        raise SettingsError(
            f"{folder}: clients of {method} leave with adapters for a foundation model: run python "
            f"-m client_app.export_adapter --run {run} --out FOLDER --node-config 'partition-id="
            f'{place.name} num-partitions=... state-dir="{state_dir}"\''
        )


def _as_sent(
    tensors: Mapping[str, Tensor], half: SplitClientHalf[Any, Any, Any, Any, Any]
) -> dict[str, Tensor]:
    """Return the server's state with the client model as it arrives at clients."""
    if half.provided.run.wire_dtype == "float32" or "front" not in tensors:
        return dict(tensors)
    return {**tensors, "front": tensors["front"].to(torch.float16).to(torch.float32)}


def _width(network: nn.Module) -> int:
    head = getattr(network, "head", None)
    return head.in_features if isinstance(head, nn.Linear) else 0
